/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.h - a system call filter as a BPF program, apart from its installation.
 * For install.c and the unit test, which runs programs through a small interpreter of its own.
 */
#ifndef JAIL_FILTER_H
#define JAIL_FILTER_H
#include <linux/filter.h>
#include <stddef.h>
#include "jail/jail.h"

#define FILTER_MAX 512 /* instructions */

struct filter {
    struct sock_filter v[FILTER_MAX];
    size_t n;
};

/* pid: the process itself, the only one that kill and tgkill may name. */
void filter_build(struct filter *f, enum jail_profile profile, int pid);

#endif
