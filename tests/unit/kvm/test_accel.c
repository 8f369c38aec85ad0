/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include "kvm/accel.h"

static struct accel_facts intel(void)
{
    return (struct accel_facts){.host_arch = "x86_64", .cpu_virt = true, .kvm_module = true};
}

/* Runs accel_choose; -1 = it failed with err. */
static int choose(enum accel want, const char *arch, const struct accel_facts *f, char *note,
                  struct hvp_error *err)
{
    enum accel got = ACCEL_AUTO;
    int r = accel_choose(want, arch, f, &got, note, 256, err);

    return r < 0 ? -1 : (int)got;
}

TEST(auto_takes_kvm_on_a_real_host)
{
    struct accel_facts f = intel();
    struct hvp_error err = {0};
    char note[256];

    CHECK_INT_EQ(choose(ACCEL_AUTO, "x86_64", &f, note, &err), ACCEL_KVM);
    CHECK_STR_EQ(note, "");
}

TEST(a_cpu_flag_or_a_module_is_enough)
{
    struct accel_facts nested = intel(), hidden = intel();
    struct hvp_error err = {0};
    char note[256];

    nested.kvm_module = false; /* built into the kernel without /sys/module */
    hidden.cpu_virt = false;   /* cpuinfo masked by a container */
    CHECK_INT_EQ(choose(ACCEL_AUTO, "x86_64", &nested, note, &err), ACCEL_KVM);
    CHECK_INT_EQ(choose(ACCEL_AUTO, "x86_64", &hidden, note, &err), ACCEL_KVM);
}

TEST(a_software_pagetable_vm_is_not_kvm_although_the_device_opens)
{
    struct accel_facts f = {.host_arch = "x86_64", .pvm_module = true};
    struct hvp_error err = {0};
    char note[256];

    CHECK_INT_EQ(choose(ACCEL_AUTO, "x86_64", &f, note, &err), ACCEL_TCG);
    CHECK_CONTAINS(note, "software page-table VM (kvm_pvm)");
}

TEST(without_the_device_auto_emulates_and_says_why)
{
    static const int errnos[] = {ENOENT, EACCES, EPERM};
    struct hvp_error err = {0};
    char note[256];

    for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++) {
        struct accel_facts f = intel();

        f.kvm_errno = errnos[i];
        CHECK_INT_EQ(choose(ACCEL_AUTO, "x86_64", &f, note, &err), ACCEL_TCG);
        CHECK_CONTAINS(note, strerror(errnos[i]));
    }
}

TEST(a_foreign_architecture_is_emulated)
{
    struct accel_facts f = intel();
    struct hvp_error err = {0};
    char note[256];

    CHECK_INT_EQ(choose(ACCEL_AUTO, "s390x", &f, note, &err), ACCEL_TCG);
    CHECK_CONTAINS(note, "guests are s390x, this host is x86_64");
}

TEST(other_architectures_need_no_x86_flags)
{
    struct accel_facts f = {.host_arch = "s390x"};
    struct hvp_error err = {0};
    char note[256];

    CHECK_INT_EQ(choose(ACCEL_AUTO, "s390x", &f, note, &err), ACCEL_KVM);
}

TEST(forced_kvm_fails_where_it_is_not_usable)
{
    struct accel_facts f = intel();
    struct hvp_error err = {0};
    char note[256];

    f.kvm_errno = EACCES;
    CHECK_INT_EQ(choose(ACCEL_KVM, "x86_64", &f, note, &err), -1);
    CHECK_INT_EQ(err.code, -EACCES);
    CHECK_CONTAINS(err.msg, "'accel: kvm' is configured");
}

TEST(forced_tcg_emulates_on_a_real_host_too)
{
    struct accel_facts f = intel();
    struct hvp_error err = {0};
    char note[256];

    CHECK_INT_EQ(choose(ACCEL_TCG, "x86_64", &f, note, &err), ACCEL_TCG);
    CHECK_CONTAINS(note, "as configured");
}
