/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "plugin/plugin.h"

/* What in_child needs beside the request itself. */
struct child_side {
    const struct hvp_spawn *what;
    const char *const *hide; /* mounts, NULL-terminated, or NULL */
};

/*
 * The functions up to in_child run between fork and exec: system calls only. glibc's setuid and
 * setgroups would signal threads that the child does not have.
 */
static int set_rlimits(const struct hvp_spawn *what)
{
    for (size_t i = 0; i < what->n_rlimits; i++) {
        const struct hvp_rlimit *l = &what->rlimits[i];
        struct rlimit64 limit = {.rlim_cur = l->soft, .rlim_max = l->hard};

        if (syscall(SYS_prlimit64, 0, l->resource, &limit, NULL) < 0)
            return -errno;
    }
    return 0;
}

/* Also the bounding set: root would get everything back at exec. */
static int drop_bounding(uint64_t keep)
{
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (!(keep & UINT64_C(1) << cap) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return -errno;
    return 0;
}

static int set_ids(const struct hvp_spawn *what)
{
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || syscall(SYS_setgroups, 0, NULL) < 0 ||
        syscall(SYS_setresgid, what->gid, what->gid, what->gid) < 0 ||
        syscall(SYS_setresuid, what->uid, what->uid, what->uid) < 0)
        return -errno;
    return 0;
}

/* Ambient capabilities carry them over exec for a user other than root. */
static int set_caps(uint64_t keep)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];

    if (syscall(SYS_capget, &head, data) < 0)
        return -errno;
    for (int i = 0; i < 2; i++) {
        data[i].permitted &= (uint32_t)(keep >> 32 * i);
        data[i].effective = data[i].inheritable = data[i].permitted;
    }
    if (syscall(SYS_capset, &head, data) < 0)
        return -errno;
    for (unsigned long cap = 0; cap < 64; cap++)
        if (data[cap / 32].permitted & 1u << cap % 32 &&
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
            return -errno;
    return 0;
}

/*
 * Where the host uses AppArmor and the profile is loaded, the program gets it when it is executed.
 * There is no way to ask first that is cheaper than trying, and `check` tells.
 */
static void ask_for_profile(void)
{
    static const char words[] = "exec " PLUGIN_APPARMOR_PROFILE;
    int fd = open("/proc/thread-self/attr/apparmor/exec", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    (void)!write(fd, words, sizeof(words) - 1);
    close(fd);
}

/*
 * In the new namespaces. A slave of core's mounts: containers that come later appear, nothing goes
 * the other way. The old /proc has /proc/sys in it, which root may write without any capability.
 */
static int hide_host(const char *const *hide)
{
    static const struct rlimit64 none = {0, 0};

    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return -errno;
    for (const char *const *dir = hide; dir && *dir; dir++)
        if (umount2(*dir, MNT_DETACH) < 0)
            return -errno;
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "subset=pid") < 0 ||
        syscall(SYS_prlimit64, 0, RLIMIT_CORE, &none, NULL) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    return 0;
}

static int in_child(const void *arg)
{
    const struct child_side *side = arg;
    const struct hvp_spawn *what = side->what;
    int r = set_rlimits(what);

    if (what->flags & HVP_SPAWN_SMALL_PAGES) /* a saving, not a promise; exec keeps it */
        (void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    if (r == 0 && what->flags & HVP_SPAWN_PRIVATE) {
        ask_for_profile();
        r = hide_host(side->hide);
    }
    if (r == 0 && what->flags & HVP_SPAWN_KEEP_CAPS)
        r = drop_bounding(what->keep_caps);
    if (r == 0 && what->flags & HVP_SPAWN_SETUID)
        r = set_ids(what);
    if (r == 0 && what->flags & HVP_SPAWN_KEEP_CAPS)
        r = set_caps(what->keep_caps);
    else if (r == 0 && what->flags & HVP_SPAWN_SETUID && what->uid != 0)
        r = set_caps(0);
    return r;
}

static void fill_fds(const struct hvp_spawn *what, struct proc_fd_map *map)
{
    for (size_t i = 0; i < what->n_fds; i++)
        map[i] = (struct proc_fd_map){what->fds[i].parent_fd, what->fds[i].child_fd};
}

static void fill_cgroups(const struct hvp_spawn *what, struct strv *dirs)
{
    for (size_t i = 0; i < what->n_cgroups; i++)
        strv_add(dirs, what->cgroups[i]);
}

static uint64_t new_namespaces(const struct hvp_spawn *what)
{
    if (!(what->flags & HVP_SPAWN_PRIVATE))
        return 0;
    return CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
           (what->flags & HVP_SPAWN_HOST_NET ? 0 : CLONE_NEWNET);
}

static int check_request(const struct hvp_spawn *what, struct hvp_error *err)
{
    if (what->struct_size < sizeof(*what))
        return hvp_fail(err, EINVAL, "spawn: the request of %u bytes is too small",
                        what->struct_size);
    if (!what->argv || !what->argv[0] || what->argv[0][0] != '/')
        return hvp_fail(err, EINVAL, "spawn: '%s' is not an absolute path",
                        what->argv && what->argv[0] ? what->argv[0] : "");
    return 0;
}

int plugin_spawn(const struct hvp_spawn *what, const char *const *hide, int32_t *ret_pid,
                 int *ret_pidfd, struct hvp_error *err)
{
    static const char *const path_only[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    cleanup_call(strv_done) struct strv dirs = {0};
    cleanup_free struct proc_fd_map *map = NULL;
    cleanup_free int *namespaces = NULL;
    const struct child_side side = {what, hide};
    struct proc_spawn how = {0};
    struct err e = ERR_INIT;
    pid_t pid;
    int r = check_request(what, err);

    if (r < 0)
        return r;
    map = xcalloc(what->n_fds + 1, sizeof(*map));
    namespaces = xcalloc(what->n_namespaces + 1, sizeof(*namespaces));
    fill_fds(what, map);
    fill_cgroups(what, &dirs);
    for (size_t i = 0; i < what->n_namespaces; i++)
        namespaces[i] = what->namespaces[i].fd;
    how = (struct proc_spawn){
        .path = what->argv[0],
        .argv = what->argv,
        .envp = what->envp ? what->envp : path_only,
        .fds = map,
        .n_fds = what->n_fds,
        .setns_fds = namespaces,
        .n_setns = what->n_namespaces,
        .unshare_flags = new_namespaces(what),
        .cgroups = what->cgroups ? (const char *const *)dirs.v : NULL,
        .cwd = what->cwd ? what->cwd : "/",
        .death_signal = what->death_signal,
        .new_session = 1,
        .null_stdio = 1,
        .in_child = in_child,
        .in_child_arg = &side,
    };
    if (what->flags & HVP_SPAWN_NO_CGROUP)
        how.cgroups = NULL;
    r = proc_spawn(&how, &pid, ret_pidfd, &e);
    if (r < 0)
        return hvp_fail(err, -r, "%s", e.msg);
    *ret_pid = pid;
    return 0;
}

static int host_spawn(void *cookie, const struct hvp_spawn *what, int32_t *ret_pid, int *ret_pidfd,
                      struct hvp_error *err)
{
    (void)cookie;
    return plugin_spawn(what, NULL, ret_pid, ret_pidfd, err);
}

static void host_log(void *cookie, int level, const char *msg)
{
    static const enum log_level levels[] = {
        [HVP_LOG_ERROR] = LOG_L_ERROR,
        [HVP_LOG_WARN] = LOG_L_WARN,
        [HVP_LOG_INFO] = LOG_L_INFO,
        [HVP_LOG_DEBUG] = LOG_L_DEBUG,
    };

    (void)cookie;
    log_line((size_t)level < ARRAY_SIZE(levels) ? levels[level] : LOG_L_DEBUG, "%s", msg);
}

static int host_cancelled(void *cookie)
{
    (void)cookie;
    return 0;
}

void plugin_host_init(struct hvp_host *host)
{
    *host = (struct hvp_host){
        .struct_size = sizeof(*host),
        .abi = HVP_ABI,
        .instance = "",
        .arch = "",
        .version = "",
        .cancel_fd = -1,
        .log = host_log,
        .cancelled = host_cancelled,
        .spawn = host_spawn,
    };
}
