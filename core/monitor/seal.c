/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last step before a guest runs: what the monitor will not need again it gives up. Until here
 * it has handled nothing but what the CLI has checked; from here on the guest and its VMM talk to
 * it.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/swap.h>
#include "base/fault.h"
#include "base/proc.h"
#include "jail/jail.h"
#include "monitor/monitor.h"

struct seal_call {
    enum jail_profile profile;
    struct err *err;
};

/*
 * One with processes only: /proc/sys obeys root without any capability. The old one goes first, for
 * umount is allowed later. Whoever drives a foreign hypervisor may need all of it. Root of a user
 * namespace has no power over /proc/sys, and may not mount another /proc where one is partly
 * hidden.
 */
static int replace_proc(struct err *err)
{
    if (proc_in_user_namespace())
        return 0;
    if (umount2("/proc", MNT_DETACH) < 0 ||
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "subset=pid") < 0)
        return err_set(err, errno, "replace /proc: %m");
    return 0;
}

/* Not dumpable: another sandbox's monitor, which is root as well, cannot look into this one. */
static int seal_main(void *arg)
{
    static const struct rlimit none = {0, 0};
    const struct seal_call *call = arg;
    int r;

    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
        return err_set(call->err, errno, "forbid core files: %m");
    if (call->profile == JAIL_CHILD_VMM && (r = replace_proc(call->err)) < 0)
        return r;
    return jail_drop_caps(call->profile, call->err);
}

void seal_break(void)
{
    (void)swapoff("/"); /* on both lists, and harmless where it is let through */
}

int seal(struct boot *b)
{
    bool external = plugin_caps(b->plugin)->flags & HVP_CAP_VMM_EXTERNAL;
    struct seal_call call = {external ? JAIL_EXTERNAL_VMM : JAIL_CHILD_VMM, &b->err};
    int r;

    if ((r = worker_on_main(b->worker, seal_main, &call)) < 0 ||
        (r = jail_drop_caps(call.profile, &b->err)) < 0 ||
        (r = jail_filter(call.profile, &b->err)) < 0)
        return err_wrap(&b->err, "give up rights before the guest runs");
    b->sealed = !external;
    if (fault_point("monitor.sealed") < 0)
        seal_break();
    return 0;
}
