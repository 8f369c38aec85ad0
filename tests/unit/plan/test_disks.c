/* SPDX-License-Identifier: Apache-2.0 */
/* What travels as a disk: root, mounts, devices. */
#include "rig.h"
#include <errno.h>
#include "base/cleanup.h"
#include "test.h"

TEST(a_root_on_a_disk_is_not_in_the_share)
{
    const struct plan_disk root = {.use = PLAN_DISK_ROOT,
                                   .tag = "x-r",
                                   .fs = "erofs",
                                   .overlay = true,
                                   .upper = "x-w",
                                   .subdir = "a/b"};

    rig_disks(&root, 1);
    rig_must(NULL, NULL);
    rig_disks(NULL, 0);
    CHECK(rig.c.rootfs == NULL);
    CHECK_STR_EQ(rig.c.root.disk, "x-r");
    CHECK_STR_EQ(rig.c.root.type, "erofs");
    CHECK_STR_EQ(rig.c.root.subdir, "a/b");
    CHECK_STR_EQ(rig.c.root.upper, "x-w");
    CHECK_INT_EQ(rig.c.root.flags, PLAN_R_OVERLAY);
    CHECK_INT_EQ(rig.shares.n, 1);
    CHECK(rig.shares.v[0].host_only);
}

TEST(a_mount_on_a_disk_keeps_its_place_and_flags)
{
    const struct plan_disk disk = {.use = PLAN_DISK_MOUNT, .tag = "x-m0", .data = "noatime2"};

    rig_disks(&disk, 1);
    rig_must("\"mounts\":[{\"destination\":\"/d/\",\"type\":\"anyvisor.block\",\"source\":\"/i\","
             "\"options\":[\"ro\",\"nosuid\",\"fs=ext4\"]},"
             "{\"destination\":\"/e\",\"type\":\"bind\",\"source\":\"/src\"}]",
             NULL);
    rig_disks(NULL, 0);
    CHECK_INT_EQ(rig.c.n_mounts, 2);
    CHECK_INT_EQ(rig.c.mounts[0].kind, PLAN_M_DISK);
    CHECK_STR_EQ(rig.c.mounts[0].source, "x-m0");
    CHECK_STR_EQ(rig.c.mounts[0].dest, "/d");
    CHECK_STR_EQ(rig.c.mounts[0].data, "noatime2");
    CHECK(rig.c.mounts[0].type == NULL);
    CHECK_U64_EQ(rig.c.mounts[0].ms_flags, 3); /* MS_RDONLY, MS_NOSUID */
    CHECK_INT_EQ(rig.c.mounts[1].kind, PLAN_M_SHARE);
    CHECK_INT_EQ(rig.shares.n, 2);
}

TEST(a_volume_of_a_server_is_mounted_by_the_guest_and_hides_no_other)
{
    char source[] = "h:/srv", data[] = "addr=192.0.2.1,soft";
    const struct plan_nfs nfs = {.source = source, .data = data};
    const char *mount = "{\"destination\":\"/d\",\"type\":\"anyvisor.network\","
                        "\"source\":\"nfs://h/srv\",\"options\":[\"ro\",\"soft\"]}";
    cleanup_free char *alone = xasprintf("\"mounts\":[%s]", mount);
    cleanup_free char *above =
        xasprintf("\"mounts\":[%s,{\"destination\":\"/d/t\",\"type\":\"tmpfs\"}]", mount);

    rig_nfs(&nfs, 1);
    rig_must(alone, NULL);
    CHECK_INT_EQ(rig.c.mounts[0].kind, PLAN_M_NFS);
    CHECK_STR_EQ(rig.c.mounts[0].source, "h:/srv");
    CHECK_STR_EQ(rig.c.mounts[0].data, "addr=192.0.2.1,soft");
    CHECK_U64_EQ(rig.c.mounts[0].ms_flags, 1);
    CHECK_ERR(rig_build(above, NULL), -ENOTSUP);
    CHECK_CONTAINS(rig.err.msg, "'/d/t': it lies in the NFS volume on '/d'");
    rig_nfs(NULL, 0);
}

TEST(a_disk_mount_without_a_disk_is_refused)
{
    CHECK_ERR(rig_build("\"mounts\":[{\"destination\":\"/d\",\"type\":\"anyvisor.block\","
                        "\"source\":\"/i\"}]",
                        NULL),
              -ENOTSUP);
}

TEST(a_block_device_is_the_disk_and_so_are_its_rules)
{
    const struct plan_disk disk = {.use = PLAN_DISK_DEVICE, .tag = "x-d0"};

    rig_disks(&disk, 1);
    rig_must(NULL, "\"devices\":[{\"path\":\"/dev/sdq\",\"type\":\"b\",\"major\":65,\"minor\":0,"
                   "\"fileMode\":432,\"uid\":5}],\"resources\":{\"devices\":[{\"allow\":true,"
                   "\"type\":\"b\",\"major\":65,\"minor\":0,\"access\":\"rw\"},{\"allow\":true,"
                   "\"type\":\"b\",\"major\":65,\"minor\":1,\"access\":\"rw\"}]}");
    rig_disks(NULL, 0);
    CHECK_INT_EQ(rig.c.n_devices, 1);
    CHECK_INT_EQ(rig.c.devices[0].type, 'b');
    CHECK_STR_EQ(rig.c.devices[0].disk, "x-d0");
    CHECK_INT_EQ(rig.c.devices[0].uid, 5);
    CHECK_INT_EQ(rig.c.devices[0].mode, 0660);
    CHECK_STR_EQ(rig.c.cgroup.rules[1].disk, "x-d0");
    CHECK(rig.c.cgroup.rules[2].disk == NULL);
}
