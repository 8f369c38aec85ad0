/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <linux/capability.h>
#include <unistd.h>
#include "kvm/confine.h"

#define CAP(name) (UINT64_C(1) << (name))

static const struct hvp_share share = {
    .d = {.struct_size = sizeof(share), .kind = HVP_DEV_SHARE, .tag = "s"}, .fs = HVP_FS_9P};
static const struct hvp_disk file = {
    .d = {.struct_size = sizeof(file), .kind = HVP_DEV_DISK, .tag = "f"},
    .protocol = HVP_PROTO_FILE};
static const struct hvp_disk remote = {
    .d = {.struct_size = sizeof(remote), .kind = HVP_DEV_DISK, .tag = "r"},
    .protocol = HVP_PROTO_NBD};

static const struct hvp_kv socket_option = {"socket", "/run/nbd.sock"};
static const struct hvp_disk local = {
    .d = {.struct_size = sizeof(local), .kind = HVP_DEV_DISK, .tag = "l"},
    .protocol = HVP_PROTO_NBD,
    .options = &socket_option,
    .n_options = 1};

static struct hvp_spawn confined(const struct hvp_device *dev, const char *uuid, uint32_t user,
                                 bool host_network)
{
    const struct hvp_vm_spec spec = {.uuid = uuid, .devices = &dev, .n_devices = dev ? 1 : 0};
    struct kvm_config config;
    struct hvp_spawn what = {0};

    kvm_config_init(&config);
    config.user = user;
    config.host_network = host_network;
    config.hotplug_ports = 0;
    confine(&what, &(struct cmdline){.spec = &spec, .config = &config});
    return what;
}

TEST(capabilities_are_those_of_a_file_server_or_none)
{
    struct hvp_spawn with, without;

    if (geteuid() != 0)
        TEST_SKIP("only root has something to give up");
    with = confined(&share.d, "u", KVM_USER_AUTO, false);
    without = confined(NULL, "u", KVM_USER_AUTO, false);
    CHECK_U64_EQ(with.keep_caps, CAP(CAP_CHOWN) | CAP(CAP_DAC_OVERRIDE) | CAP(CAP_FOWNER) |
                                     CAP(CAP_FSETID) | CAP(CAP_SETFCAP));
    CHECK_U64_EQ(confined(&file.d, "u", KVM_USER_AUTO, false).keep_caps, with.keep_caps);
    CHECK_U64_EQ(without.keep_caps, 0);
    CHECK(without.flags & HVP_SPAWN_KEEP_CAPS);
}

TEST(each_vm_has_a_user_of_its_own)
{
    struct hvp_spawn a, b;

    if (geteuid() != 0)
        TEST_SKIP("only root can become somebody else");
    a = confined(&share.d, "0e8b5c5e-0000-4000-8000-000000000001", KVM_USER_AUTO, false);
    b = confined(&share.d, "0e8b5c5e-0000-4000-8000-000000000002", KVM_USER_AUTO, false);
    if (!(a.flags & HVP_SPAWN_SETUID))
        TEST_SKIP("this user namespace has no such ids");
    CHECK(a.uid != b.uid);
    CHECK(a.uid >= 0x70000000 && a.uid <= 0x7fffffff && a.gid == a.uid);
    CHECK_INT_EQ(confined(&share.d, "u", 107, false).uid, 107);
    CHECK_INT_EQ(confined(&share.d, "u", 0, false).uid, 0);
}

TEST(the_hosts_network_is_for_network_disks)
{
    if (geteuid() != 0)
        TEST_SKIP("only root makes namespaces");
    CHECK(confined(&share.d, "u", KVM_USER_AUTO, false).flags & HVP_SPAWN_PRIVATE);
    CHECK(!(confined(&share.d, "u", KVM_USER_AUTO, false).flags & HVP_SPAWN_HOST_NET));
    CHECK(!(confined(&file.d, "u", KVM_USER_AUTO, false).flags & HVP_SPAWN_HOST_NET));
    CHECK(!(confined(&local.d, "u", KVM_USER_AUTO, false).flags & HVP_SPAWN_HOST_NET));
    CHECK(confined(&remote.d, "u", KVM_USER_AUTO, false).flags & HVP_SPAWN_HOST_NET);
    CHECK(confined(&share.d, "u", KVM_USER_AUTO, true).flags & HVP_SPAWN_HOST_NET);
}
