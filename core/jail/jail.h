/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail.h - what is left of a process's rights once it may meet a hostile guest: capabilities and a
 * system call filter (docs/decisions/0007-least-privilege.md). For the monitor, between the moment
 * its VM exists and the moment the guest runs.
 */
#ifndef JAIL_JAIL_H
#define JAIL_JAIL_H
#include "base/err.h"

/* How the line of a process begins that the filter has killed. */
#define JAIL_LAST_WORDS "the monitor was killed at the system call '"

enum jail_profile {
    /* The VMM is a child that runs already: no new program, no new mount of anything but what was
     * handed over as a descriptor, local sockets only. A list of what is allowed. */
    JAIL_CHILD_VMM,
    /* Libraries of a hypervisor go on in this process, with devices, scripts and threads of their
     * own. A list of what nobody but an attacker of the kernel needs. */
    JAIL_EXTERNAL_VMM,
};

/* Of the calling thread alone: to be called in each. Never to be got back, also by exec. */
int jail_drop_caps(enum jail_profile profile, struct err *err);

/*
 * For all threads, once the last of them has dropped its capabilities. Whoever makes another system
 * call logs an error with its name and dies of SIGSYS, which no thread may block.
 */
int jail_filter(enum jail_profile profile, struct err *err);

#endif
