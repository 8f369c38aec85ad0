/* SPDX-License-Identifier: Apache-2.0 */
/* Devices and the device filter. */
#include <errno.h>
#include "test.h"
#include "rig.h"
#include "base/cleanup.h"

#define DEV(path, type, major, minor)                                                              \
    "{\"path\":\"" path "\",\"type\":\"" type "\",\"major\":" #major ",\"minor\":" #minor "}"

TEST(standard_devices_have_the_bundles_owner_and_mode_and_consoles_are_the_agents_business)
{
    rig_must(NULL, "\"devices\":[{\"path\":\"/dev/null\",\"type\":\"c\",\"major\":1,\"minor\":3,"
                   "\"fileMode\":384,\"uid\":7}," DEV("/dev/console", "c", 5, 1) "]");
    CHECK_INT_EQ(rig.c.n_devices, 1);
    CHECK_STR_EQ(rig.c.devices[0].path, "/dev/null");
    CHECK_INT_EQ(rig.c.devices[0].mode, 0600);
    CHECK_INT_EQ(rig.c.devices[0].uid, 7);
}

TEST(devices_whose_numbers_all_kernels_share_are_made)
{
    rig_must(NULL, "\"devices\":[{\"path\":\"/dev/mine\",\"type\":\"c\",\"major\":1,\"minor\":3,"
                   "\"fileMode\":8576,\"uid\":4,\"gid\":5}," DEV(
                       "/dev/net/tun", "c", 1, 1) ","
                                                  "{\"path\":\"/p\",\"type\":\"p\"}]");
    CHECK_INT_EQ(rig.c.n_devices, 3);
    CHECK_INT_EQ(rig.c.devices[0].mode, 0600);
    CHECK_INT_EQ(rig.c.devices[0].gid, 5);
    CHECK_INT_EQ(rig.c.devices[1].minor, 200); /* the guest's number, not the bundle's */
    CHECK_INT_EQ(rig.c.devices[2].type, 'p');
    CHECK_INT_EQ(rig.c.devices[2].mode, 0666);
}

TEST(host_devices_are_refused_by_name)
{
    CHECK_ERR(rig_build(NULL, "\"devices\":[" DEV("/dev/kvm", "c", 10, 232) "]"), -ENOTSUP);
    CHECK_CONTAINS(rig.err.msg, "linux.devices[0]: '/dev/kvm' is a device of the host");
    CHECK_ERR(rig_build(NULL, "\"devices\":[" DEV("/dev/sda", "b", 8, 0) "]"), -ENOTSUP);
    CHECK_CONTAINS(rig.err.msg, "'/dev/sda' is a block device");
    /* a block device that pretends to be null */
    CHECK_ERR(rig_build(NULL, "\"devices\":[" DEV("/dev/x", "b", 1, 3) "]"), -ENOTSUP);
}

TEST(a_privileged_list_is_filtered)
{
    rig_load("docker-privileged.config.json");
    CHECK_INT_EQ(rig.c.n_devices, 2);
    CHECK_STR_EQ(rig.c.devices[0].path, "/dev/fuse");
    CHECK_STR_EQ(rig.c.devices[1].path, "/dev/net/tun");
    CHECK(rig_warned("devices exist on the host only"));
}

static void check_rule(size_t i, uint32_t allow, uint32_t type, int64_t major, int64_t minor,
                       uint32_t access)
{
    const struct plan_device_rule *r = &rig.c.cgroup.rules[i];

    CHECK(i < rig.c.cgroup.n_rules);
    CHECK_INT_EQ(r->allow, allow);
    CHECK_INT_EQ(r->type, type);
    CHECK_INT_EQ(r->major, major);
    CHECK_INT_EQ(r->minor, minor);
    CHECK_INT_EQ(r->access, access);
}

TEST(the_filter_denies_then_takes_the_bundles_rules_then_the_defaults)
{
    rig_must(NULL, "\"resources\":{\"devices\":[{\"allow\":true,\"type\":\"b\",\"major\":8,"
                   "\"access\":\"r\"},{\"allow\":false,\"type\":\"c\",\"major\":-1,\"minor\":2,"
                   "\"access\":\"wm\"},{\"allow\":true}]}");
    check_rule(0, 0, 'a', -1, -1, 7);
    check_rule(1, 1, 'b', 8, -1, 2);
    check_rule(2, 0, 'c', -1, 2, 5);
    check_rule(3, 1, 'a', -1, -1, 7);
    check_rule(4, 1, 'c', -1, -1, 1);
    check_rule(5, 1, 'b', -1, -1, 1);
    check_rule(6, 1, 'c', 1, 3, 7);
    CHECK_INT_EQ(rig.c.cgroup.n_rules, 14);
}
