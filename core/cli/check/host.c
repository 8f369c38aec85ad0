/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/str.h"
#include "cgroup/cgroup.h"
#include "cli/check/check.h"
#include "plugin/plugin.h"

#define STATUS_MAX 65536
#define PROFILES_MAX (1u << 20)

/* What create needs at least: mounts and namespaces, other users' processes, tap devices. */
static const struct {
    unsigned bit;
    const char *name;
} needed_caps[] = {
    {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
    {CAP_NET_ADMIN, "CAP_NET_ADMIN"},
    {CAP_KILL, "CAP_KILL"},
    {CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"},
};

static uint64_t effective_caps(void)
{
    cleanup_free char *text = NULL;
    const char *line;

    if (path_read(AT_FDCWD, "/proc/self/status", STATUS_MAX, &text, NULL, NULL) < 0)
        return 0;
    line = strstr(text, "\nCapEff:");
    return line ? strtoull(line + strlen("\nCapEff:"), NULL, 16) : 0;
}

void check_rights(struct findings *f)
{
    cleanup_call(strv_done) struct strv missing = {0};
    uint64_t caps = effective_caps();

    if (geteuid() != 0) {
        finding_add(f, FINDING_FAIL, "rights", "not root (uid %u): only root can make containers",
                    (unsigned)geteuid());
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(needed_caps); i++)
        if (!(caps & UINT64_C(1) << needed_caps[i].bit))
            strv_add(&missing, needed_caps[i].name);
    for (size_t i = 0; i < missing.n; i++)
        finding_add(f, FINDING_FAIL, "rights", "root, but without %s", missing.v[i]);
    if (missing.n == 0)
        finding_add(f, FINDING_OK, "rights", "root");
}

/* Each tries the real thing on something of its own and leaves nothing; 0 or -errno. */
static int try_open_tree(void)
{
    int fd = (int)syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

static int try_mount_setattr(void)
{
    cleanup_fd int fd =
        (int)syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_NODEV};

    if (fd < 0)
        return -errno;
    return syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

/* Without valid arguments: only ENOSYS (or a filter's EPERM) tells that it is not there. */
static int try_move_mount(void)
{
    if (syscall(SYS_move_mount, -1, "", -1, "", 0) < 0 && errno != EBADF && errno != ENOENT)
        return -errno;
    return 0;
}

static int try_pidfd(void)
{
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

static int try_openat2(void)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof(how));

    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

/* In a child: the namespaces go with it. */
static int try_unshare(void)
{
    int flags =
        CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
    int status;
    pid_t pid = fork();

    if (pid < 0)
        return -errno;
    if (pid == 0)
        _exit(unshare(flags) < 0 ? MIN(errno, 255) : 0);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

void check_kernel(struct findings *f)
{
    static const struct {
        const char *name, *since;
        int (*try)(void);
    } features[] = {
        {"open_tree", "5.2", try_open_tree},
        {"move_mount", "5.2", try_move_mount},
        {"mount_setattr", "5.12", try_mount_setattr},
        {"pidfd_open", "5.3", try_pidfd},
        {"openat2", "5.6", try_openat2},
        {"unshare", "4.6", try_unshare},
    };
    size_t good = 0;

    for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
        int r = features[i].try();

        good += r == 0;
        if (r < 0)
            finding_add(f, FINDING_FAIL, "kernel",
                        "%s does not work (Linux %s and later have it): %s", features[i].name,
                        features[i].since, strerror(-r));
        else if (f->verbose)
            finding_add(f, FINDING_OK, "kernel", "%s", features[i].name);
    }
    if (good == ARRAY_SIZE(features) && !f->verbose)
        finding_add(f, FINDING_OK, "kernel",
                    "mounts by descriptor, pidfds, openat2 and namespaces work");
}

void check_cgroups(struct findings *f)
{
    cleanup_call(cgroup_host_done) struct cgroup_host h = {0};
    struct err err = ERR_INIT;

    if (cgroup_host_read("/proc/self/mountinfo", "/proc/self/cgroup", &h, &err) < 0)
        finding_add(f, FINDING_FAIL, "cgroups", "%s", err.msg);
    else if (h.n == 0)
        finding_add(
            f, FINDING_WARN, "cgroups",
            "none mounted: limits act in the guests only, nothing is accounted on the host");
    else
        finding_add(f, FINDING_OK, "cgroups", "%s, %zu %s", cgroup_mode_name(h.mode), h.n,
                    h.n == 1 ? "hierarchy" : "hierarchies");
    for (size_t i = 0; f->verbose && i < h.n; i++)
        finding_add(f, FINDING_OK, "cgroups", "%s, we are in '%s'", h.v[i].mount, h.v[i].self);
}

/* The nearest directory that exists: the root itself is made when it is first needed. */
static char *existing_parent(const char *path)
{
    char *dir = xstrdup(path);
    struct stat st;

    while (stat(dir, &st) < 0 && strcmp(dir, "/") != 0) {
        char *slash = strrchr(dir, '/');

        slash[slash == dir] = '\0';
    }
    return dir;
}

/* Hosts without AppArmor have nothing to hear about it. */
void check_apparmor(struct findings *f)
{
    cleanup_free char *enabled = NULL;
    cleanup_free char *loaded = NULL;
    struct err err = ERR_INIT;

    if (path_read(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", 16, &enabled, NULL, NULL) <
            0 ||
        enabled[0] != 'Y')
        return;
    if (path_read(AT_FDCWD, "/sys/kernel/security/apparmor/profiles", PROFILES_MAX, &loaded, NULL,
                  &err) < 0)
        finding_add(f, FINDING_WARN, "AppArmor", "%s", err.msg);
    else if (strstr(loaded, PLUGIN_APPARMOR_PROFILE " ("))
        finding_add(f, FINDING_OK, "AppArmor", "VMs run under the profile '%s'",
                    PLUGIN_APPARMOR_PROFILE);
    else
        finding_add(f, FINDING_WARN, "AppArmor",
                    "the profile '%s' is not loaded, VMs run without one: apparmor_parser -r "
                    "/etc/apparmor.d/%s",
                    PLUGIN_APPARMOR_PROFILE, PLUGIN_APPARMOR_PROFILE);
}

void check_root(const char *root, struct findings *f)
{
    cleanup_free char *dir = existing_parent(root);
    bool there = strcmp(dir, root) == 0;
    struct statvfs fs;
    struct stat st;

    if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
        finding_add(f, FINDING_FAIL, "state root", "'%s' is not a directory", dir);
    else if (access(dir, W_OK) < 0)
        finding_add(f, FINDING_FAIL, "state root", "'%s' cannot be written: %s", dir,
                    strerror(errno));
    else if (statvfs(dir, &fs) == 0 && (fs.f_flag & ST_RDONLY))
        finding_add(f, FINDING_FAIL, "state root", "'%s' is on a read-only file system", dir);
    else if (there && (st.st_mode & 022))
        finding_add(f, FINDING_FAIL, "state root", "others may write '%s' (chmod 0700)", dir);
    else
        finding_add(f, FINDING_OK, "state root", "%s%s", root, there ? "" : " (will be made)");
}

void check_programs(const struct cli *cli, struct findings *f)
{
    static const char *const names[] = {"anyvisor-monitor", "anyvisor-proxy"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        cleanup_free char *path = path_join(cli->layout.libexec_dir, names[i]);

        if (access(path, X_OK) < 0)
            finding_add(f, FINDING_FAIL, "program", "'%s' cannot be run: %s", path,
                        strerror(errno));
        else if (f->verbose)
            finding_add(f, FINDING_OK, "program", "%s", path);
    }
}
