/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/str.h"
#include "jail/jail.h"

#define CAP(name) (UINT64_C(1) << (name))

/* move_mount and umount of later containers; SIGKILL for a VMM that has a user of its own. */
#define CHILD_VMM_KEEPS (CAP(CAP_SYS_ADMIN) | CAP(CAP_KILL))
/* A hypervisor's tools need most of root; none needs these. */
#define EXTERNAL_VMM_LOSES                                                                         \
    (CAP(CAP_SYS_MODULE) | CAP(CAP_SYS_BOOT) | CAP(CAP_SYS_TIME) | CAP(CAP_SYS_PTRACE) |           \
     CAP(CAP_SYS_PACCT) | CAP(CAP_SYSLOG) | CAP(CAP_WAKE_ALARM) | CAP(CAP_MAC_ADMIN) |             \
     CAP(CAP_MAC_OVERRIDE) | CAP(CAP_AUDIT_CONTROL) | CAP(CAP_AUDIT_READ) | CAP(CAP_BPF) |         \
     CAP(CAP_PERFMON) | CAP(CAP_CHECKPOINT_RESTORE) | CAP(CAP_LINUX_IMMUTABLE) | CAP(CAP_LEASE))

static int drop_bounding(uint64_t keep)
{
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (!(keep & CAP(cap)) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return -errno;
    return 0;
}

static int reduce(uint64_t keep)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];

    if (syscall(SYS_capget, &head, data) < 0)
        return -errno;
    for (int i = 0; i < 2; i++) {
        data[i].permitted &= (uint32_t)(keep >> 32 * i);
        data[i].effective &= data[i].permitted;
        data[i].inheritable &= data[i].permitted;
    }
    return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* The bounding set first: dropping from it takes CAP_SETPCAP. */
int jail_drop_caps(enum jail_profile profile, struct err *err)
{
    uint64_t keep = profile == JAIL_CHILD_VMM ? CHILD_VMM_KEEPS : ~EXTERNAL_VMM_LOSES;
    int r = drop_bounding(keep);

    if (r == 0)
        r = reduce(keep);
    return r < 0 ? err_set(err, -r, "drop capabilities: %m") : 0;
}
