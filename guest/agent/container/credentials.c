/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the container's root to the process's user, for good or for a look. The id calls are raw:
 * libc's would look for threads, and a child of a bare clone has none.
 */
#include "agent/container/child.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/sys.h"

#ifndef PR_CAP_AMBIENT
#define PR_CAP_AMBIENT 47
#define PR_CAP_AMBIENT_RAISE 2
#define PR_CAP_AMBIENT_CLEAR_ALL 4
#endif
#define KEYCTL_JOIN_SESSION_KEYRING 1

static int set_groups(const struct plan_process *p, struct err *err)
{
    if (syscall(SYS_setgroups, p->n_gids, p->gids) < 0 && (errno != EPERM || p->n_gids))
        return err_set(err, errno, "set %zu groups: %m", p->n_gids);
    return 0;
}

int credentials_borrow(const struct plan_process *p, struct err *err)
{
    int r;

    if (p->uid == 0 && p->gid == 0) /* root sees the same as we do */
        return 0;
    r = set_groups(p, err);
    if (r == 0 &&
        (syscall(SYS_setresgid, -1, p->gid, -1) < 0 || syscall(SYS_setresuid, -1, p->uid, -1) < 0))
        r = err_set(err, errno, "become user %u:%u: %m", p->uid, p->gid);
    return r;
}

int credentials_return(struct err *err)
{
    if (syscall(SYS_setresuid, -1, 0, -1) < 0 || syscall(SYS_setresgid, -1, 0, -1) < 0)
        return err_set(err, errno, "become root again: %m");
    (void)prctl(PR_SET_DUMPABLE, 0);
    return 0;
}

static int set_limits(const struct plan_process *p, struct err *err)
{
    for (size_t i = 0; i < p->n_rlimits; i++) {
        const struct plan_rlimit *l = &p->rlimits[i];
        uint64_t v[2] = {l->soft, l->hard};

        if (syscall(SYS_prlimit64, 0, l->resource, v, NULL) < 0)
            return err_set(err, errno, "set rlimit %u to %llu/%llu: %m", l->resource,
                           (unsigned long long)l->soft, (unsigned long long)l->hard);
    }
    return 0;
}

static int drop_bounding(uint64_t keep, struct err *err)
{
    for (unsigned cap = 0; cap < 64; cap++) {
        if (keep & (UINT64_C(1) << cap))
            continue;
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
            continue;
        if (errno == EINVAL) /* beyond the kernel's last */
            return 0;
        return err_set(err, errno, "drop capability %u: %m", cap);
    }
    return 0;
}

static int set_caps(uint64_t effective, uint64_t permitted, uint64_t inheritable, struct err *err)
{
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct d[2];

    for (int i = 0; i < 2; i++)
        d[i] = (struct __user_cap_data_struct){(uint32_t)(effective >> (32 * i)),
                                               (uint32_t)(permitted >> (32 * i)),
                                               (uint32_t)(inheritable >> (32 * i))};
    if (syscall(SYS_capset, &h, d) < 0)
        return err_set(err, errno, "set capabilities: %m");
    return 0;
}

/* All that we may have, effective: after the change of user, for what still needs privilege. */
static uint64_t raise_all(void)
{
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct d[2] = {{0}, {0}};
    uint64_t have;

    (void)syscall(SYS_capget, &h, d);
    have = (uint64_t)d[1].permitted << 32 | d[0].permitted;
    (void)set_caps(have, have, 0, NULL); /* inheritable is bounded by the bounding set */
    return have;
}

static int ambient(uint64_t caps, struct err *err)
{
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (unsigned cap = 0; cap < 64; cap++)
        if ((caps & (UINT64_C(1) << cap)) &&
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
            return err_set(err, errno, "ambient capability %u: %m", cap);
    return 0;
}

static int take_user(const struct plan_process *p, struct err *err)
{
    int r = set_groups(p, err);

    (void)prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    if (r == 0 && (syscall(SYS_setresgid, p->gid, p->gid, p->gid) < 0 ||
                   syscall(SYS_setresuid, p->uid, p->uid, p->uid) < 0))
        r = err_set(err, errno, "become user %u:%u: %m", p->uid, p->gid);
    (void)prctl(PR_SET_DUMPABLE, 0); /* the change of ids may have set it */
    return r;
}

void credentials_keyring(void)
{
    (void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
}

/*
 * Without no_new_privs a filter needs CAP_SYS_ADMIN, so it comes before the capabilities go; with
 * it, it comes last and sees only the exec.
 */
int credentials_take(const struct plan_process *p, struct err *err)
{
    static const uint64_t nothing[PLAN_CAP_SETS];
    const uint64_t *caps = p->flags & PLAN_P_CAPS ? p->caps : nothing;
    bool nnp = p->flags & PLAN_P_NO_NEW_PRIVS;
    uint64_t have;
    int r;

    umask(p->umask == UINT32_MAX ? 022 : p->umask & 0777);
    if ((r = set_limits(p, err)) < 0 || (r = drop_bounding(caps[PLAN_CAP_BOUNDING], err)) < 0 ||
        (r = take_user(p, err)) < 0)
        return r;
    have = raise_all();
    if (nnp && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_set(err, errno, "no_new_privs: %m");
    if (!nnp && (r = seccomp_load(p, err)) < 0)
        return r;
    if ((r = set_caps(caps[PLAN_CAP_EFFECTIVE] & have, caps[PLAN_CAP_PERMITTED] & have,
                      caps[PLAN_CAP_INHERITABLE] & have, err)) < 0 ||
        (r = ambient(caps[PLAN_CAP_AMBIENT] & have, err)) < 0)
        return r;
    return nnp ? seccomp_load(p, err) : 0;
}
