/* SPDX-License-Identifier: Apache-2.0 */
/* The filter travels as bytes, compiled on the host for this architecture. */
#include "agent/container/child.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

int seccomp_load(const struct plan_process *p, struct err *err)
{
    struct sock_fprog prog = {.len = (unsigned short)(p->seccomp_len / sizeof(struct sock_filter)),
                              .filter = (struct sock_filter *)(void *)p->seccomp};
    /* A notify descriptor would have no receiver. */
    unsigned flags = p->seccomp_flags & ~(unsigned)SECCOMP_FILTER_FLAG_NEW_LISTENER;

    if (prog.len == 0)
        return 0;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog) < 0)
        return err_set(err, errno, "load seccomp filter of %u instructions: %m", prog.len);
    return 0;
}
