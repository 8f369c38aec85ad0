/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include "kvm/binary.h"
#include "kvm/config.h"
#include "kvm/machine.h"

TEST(every_key_of_the_help_is_accepted)
{
    static const struct {
        const char *key, *value;
    } t[] = {{"qemu", "/usr/bin/qemu"}, {"accel", "tcg"},       {"machine", "microvm"},
             {"cpu", "max,-la57"},      {"firmware", "auto"},   {"memory_backend", "memfd"},
             {"seccomp", "off"},        {"hotplug_ports", "4"}, {"user", "root"},
             {"network", "host"},       {"channel", "vsock"}};
    struct hvp_error err = {0};
    struct kvm_config c;
    size_t lines = 0;

    kvm_config_init(&c);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        CHECK_OK(kvm_config_set(&c, "x86_64", t[i].key, t[i].value, &err), err);
        CHECK_CONTAINS(kvm_config_help, t[i].key);
    }
    for (const char *p = kvm_config_help; *p; p++)
        lines += *p == '\n';
    CHECK_INT_EQ(lines, sizeof(t) / sizeof(t[0]));
    CHECK_INT_EQ(c.accel, ACCEL_TCG);
    CHECK_INT_EQ(c.memory, KVM_MEMORY_MEMFD);
    CHECK(!c.seccomp);
    CHECK_INT_EQ(c.hotplug_ports, 4);
    CHECK_INT_EQ(c.user, 0);
    CHECK(c.host_network);
    CHECK_INT_EQ(c.channel, KVM_CHANNEL_VSOCK);
    CHECK_STR_EQ(c.machine, "microvm");
    kvm_config_done(&c);
}

TEST(unknown_keys_and_bad_values_are_refused_by_name)
{
    static const struct {
        const char *key, *value, *said;
    } t[] = {{"acel", "auto", "unknown key 'acel'"},
             {"accel", "hvf", "'accel: hvf' is not one of auto, kvm, tcg"},
             {"machine", "pc", "'machine: pc' is not one of q35, microvm"},
             {"machine", "", "'machine: '"},
             {"seccomp", "yes", "'seccomp: yes' is not one of off, on"},
             {"memory_backend", "file", "'memory_backend: file'"},
             {"channel", "tcp", "'channel: tcp' is not one of serial, vsock"},
             {"firmware", "ovmf.fd", "neither an absolute path nor auto or default"},
             {"qemu", "./qemu", "neither an absolute path nor a name"},
             {"qemu", "", "'qemu' is empty"},
             {"hotplug_ports", "9", "not a number from 0 to 8"},
             {"hotplug_ports", "-1", "not a number from 0 to 8"},
             {"hotplug_ports", "11", "not a number from 0 to 8"},
             {"hotplug_ports", "", "not a number from 0 to 8"},
             {"user", "qemu", "neither auto, root nor the number of a user"},
             {"user", "-1", "neither auto, root nor the number of a user"},
             {"user", "4294967295", "neither auto, root nor the number of a user"},
             {"user", "", "neither auto, root nor the number of a user"},
             {"network", "no", "'network: no' is not one of auto, host"}};

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct hvp_error err = {0};
        struct kvm_config c;

        kvm_config_init(&c);
        CHECK_ERR(kvm_config_set(&c, "x86_64", t[i].key, t[i].value, &err), -EINVAL);
        CHECK_CONTAINS(err.msg, t[i].said);
        kvm_config_done(&c);
    }
}

TEST(a_firmware_is_taken_by_its_path_or_left_to_qemu)
{
    struct machine m = {.firmware_tcg = "no-such-file.bin"};
    char buf[BINARY_PATH_MAX];

    CHECK_STR_EQ(machine_firmware(&m, "/a/bios", ACCEL_TCG, buf, sizeof(buf)), "/a/bios");
    CHECK(machine_firmware(&m, "default", ACCEL_TCG, buf, sizeof(buf)) == NULL);
    CHECK(machine_firmware(&m, NULL, ACCEL_TCG, buf, sizeof(buf)) == NULL);
    CHECK(machine_firmware(&m, "auto", ACCEL_KVM, buf, sizeof(buf)) == NULL);
}

TEST(a_kernel_that_is_not_there_says_how_to_get_one)
{
    const struct machine m = {.arch = "s390x"};
    struct hvp_error err = {.struct_size = sizeof(err)};

    CHECK_INT_EQ(machine_check_kernel(&m, "/no/such/kernel", &err), -ENOENT);
    CHECK_CONTAINS(err.msg, "'/no/such/kernel' for s390x");
    CHECK_CONTAINS(err.msg, "--target guest-image-s390x");
    CHECK_OK(machine_check_kernel(&m, "/dev/null", &err), err);
}
