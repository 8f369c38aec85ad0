/* SPDX-License-Identifier: Apache-2.0 */
#include "bare_container.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define SAFE (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define CAPS ((1u << 29) | (1u << 5) | (1u << 10)) /* AUDIT_WRITE, KILL, NET_BIND_SERVICE */
#define CAPS_END 41
#define CAP_VERSION_3 0x20080522 /* musl's compiler does not find linux/capability.h */

static const struct {
    const char *at, *type, *options;
    unsigned long flags;
} mounts[] = {
    {"proc", "proc", NULL, 0},
    {"dev", "tmpfs", "mode=755,size=65536k", MS_NOSUID | MS_STRICTATIME},
    {"dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5", MS_NOSUID | MS_NOEXEC},
    {"dev/shm", "tmpfs", "mode=1777,size=65536k", SAFE},
    {"dev/mqueue", "mqueue", NULL, SAFE},
    {"sys", "sysfs", NULL, SAFE | MS_RDONLY},
    {"sys/fs/cgroup", "cgroup2", NULL, SAFE | MS_RDONLY},
};

static const struct {
    const char *name;
    unsigned major, minor;
} nodes[] = {{"dev/null", 1, 3},   {"dev/zero", 1, 5},    {"dev/full", 1, 7},
             {"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0}};

static const char *const links[][2] = {{"/proc/self/fd", "dev/fd"},
                                       {"/proc/self/fd/0", "dev/stdin"},
                                       {"/proc/self/fd/1", "dev/stdout"},
                                       {"/proc/self/fd/2", "dev/stderr"},
                                       {"pts/ptmx", "dev/ptmx"}};

static const char *const masked_files[] = {"proc/kcore", "proc/keys", "proc/timer_list"};
static const char *const masked_dirs[] = {"proc/acpi", "proc/scsi", "sys/firmware"};
static const char *const read_only[] = {"proc/bus", "proc/fs", "proc/irq", "proc/sys",
                                        "proc/sysrq-trigger"};

pid_t container_fork(void)
{
    return (pid_t)syscall(SYS_clone,
                          CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
                              CLONE_NEWCGROUP | SIGCHLD,
                          0, 0, 0, 0);
}

static int failed(const char *what)
{
    fprintf(stderr, "bare_init: container: %s: %m\n", what);
    return -1;
}

static int make_mounts(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
        mkdir(mounts[i].at, 0755);
        if (mount(mounts[i].type, mounts[i].at, mounts[i].type, mounts[i].flags,
                  mounts[i].options) < 0)
            return failed(mounts[i].at);
    }
    return 0;
}

static int make_devices(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
        if (mknod(nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) < 0)
            return failed(nodes[i].name);
    for (size_t i = 0; i < ARRAY_SIZE(links); i++)
        if (symlink(links[i][0], links[i][1]) < 0)
            return failed(links[i][1]);
    return 0;
}

/* A kernel need not have it. */
static int unless_missing(const char *path)
{
    return errno == ENOENT ? 0 : failed(path);
}

static int mask(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(masked_files); i++)
        if (mount("dev/null", masked_files[i], NULL, MS_BIND, NULL) < 0 &&
            unless_missing(masked_files[i]) < 0)
            return -1;
    for (size_t i = 0; i < ARRAY_SIZE(masked_dirs); i++)
        if (mount("tmpfs", masked_dirs[i], "tmpfs", MS_RDONLY, NULL) < 0 &&
            unless_missing(masked_dirs[i]) < 0)
            return -1;
    for (size_t i = 0; i < ARRAY_SIZE(read_only); i++)
        if (mount(read_only[i], read_only[i], NULL, MS_BIND | MS_REC, NULL) < 0 ||
            mount(NULL, read_only[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | SAFE, NULL) < 0)
            return failed(read_only[i]);
    return 0;
}

static int drop_rights(void)
{
    const uint32_t head[2] = {CAP_VERSION_3, 0};
    const uint32_t data[6] = {CAPS, CAPS, 0}; /* effective, permitted, inheritable, twice */

    for (unsigned long cap = 0; cap < CAPS_END; cap++)
        if (cap >= 32 || !(CAPS & (1u << cap)))
            (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    if (syscall(SYS_capset, head, data) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return failed("capabilities");
    return 0;
}

int container_enter(const char *root)
{
    if (setsid() < 0 || sethostname("bare", 4) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount(root, root, NULL, MS_BIND | MS_REC, NULL) < 0 || chdir(root) < 0)
        return failed(root);
    if (make_mounts() < 0 || make_devices() < 0)
        return -1;
    /* The root of an initramfs cannot be pivoted away from. */
    if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
        return failed("the new root");
    return mask() < 0 ? -1 : drop_rights();
}
