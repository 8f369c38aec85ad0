/* SPDX-License-Identifier: Apache-2.0 */
#include "accel.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>
#include "common/file.h"
#include "common/util.h"

/* True when word stands among the flags of the first CPU. */
static bool cpu_flag(const char *cpuinfo, const char *word)
{
    const char *line = strstr(cpuinfo, "\nflags"), *end;
    size_t len = strlen(word);

    if (!line)
        return false;
    end = strchr(line + 1, '\n');
    for (const char *p = strstr(line, word); p && (!end || p < end); p = strstr(p + 1, word))
        if (p[-1] == ' ' && (p[len] == ' ' || p[len] == '\n' || p[len] == '\0'))
            return true;
    return false;
}

static bool module_present(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "/sys/module/%s", name);
    return access(path, F_OK) == 0;
}

void accel_gather(struct accel_facts *ret)
{
    char cpuinfo[8192]; /* the first CPU's block is 1.5 KiB */
    struct utsname u;
    int fd;

    *ret = (struct accel_facts){0};
    if (uname(&u) == 0)
        snprintf(ret->host_arch, sizeof(ret->host_arch), "%.15s", u.machine);
    fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        ret->kvm_errno = errno;
    else
        close(fd);
    if (file_read_text("/proc/cpuinfo", cpuinfo, sizeof(cpuinfo)) > 0)
        ret->cpu_virt = cpu_flag(cpuinfo, "vmx") || cpu_flag(cpuinfo, "svm");
    ret->kvm_module = module_present("kvm_intel") || module_present("kvm_amd");
    ret->pvm_module = module_present("kvm_pvm");
}

/*
 * Why KVM is out; returns a positive errno, 0 = KVM is usable.  A device that opens proves little:
 * kvm_pvm answers every ioctl, and an ordinary guest kernel hangs on it without a word.
 */
static int kvm_unusable(const char *arch, const struct accel_facts *f, char *why, size_t len)
{
    if (strcmp(arch, f->host_arch) != 0) {
        snprintf(why, len, "guests are %s, this host is %s", arch, f->host_arch);
        return ENODEV;
    }
    if (f->kvm_errno) {
        snprintf(why, len, "'/dev/kvm' does not open: %s", strerror(f->kvm_errno));
        return f->kvm_errno;
    }
    if (strcmp(arch, "x86_64") == 0 && !f->cpu_virt && !f->kvm_module) {
        snprintf(why, len,
                 "'/dev/kvm' is a software page-table VM%s: the CPU has neither vmx "
                 "nor svm, and neither kvm_intel nor kvm_amd is loaded",
                 f->pvm_module ? " (kvm_pvm)" : "");
        return ENODEV;
    }
    return 0;
}

int accel_choose(enum accel want, const char *guest_arch, const struct accel_facts *f,
                 enum accel *ret, char *note, size_t note_len, struct hvp_error *err)
{
    char why[200];
    int unusable;

    note[0] = '\0';
    if (want == ACCEL_TCG) {
        snprintf(note, note_len, "software emulation (TCG), as configured");
        *ret = ACCEL_TCG;
        return 0;
    }
    unusable = kvm_unusable(guest_arch, f, why, sizeof(why));
    if (unusable && want == ACCEL_KVM)
        return hvp_fail(err, unusable, "'accel: kvm' is configured, but %s", why);
    if (unusable)
        snprintf(note, note_len, "software emulation (TCG): %s", why);
    *ret = unusable ? ACCEL_TCG : ACCEL_KVM;
    return 0;
}

const char *accel_name(enum accel a)
{
    return a == ACCEL_KVM ? "kvm" : a == ACCEL_TCG ? "tcg" : "auto";
}
