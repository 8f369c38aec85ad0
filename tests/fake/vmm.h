/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm.h - what the fake back-end and its "VMM" agree on: descriptors and exit statuses.
 * For fake.c and vmm.c.
 */
#ifndef FAKE_VMM_H
#define FAKE_VMM_H

enum {
    VMM_FD_CHANNEL = 3,  /* passed on to the agent */
    VMM_FD_LIFELINE = 4, /* one byte: start; end of file: end the guest */
};

enum {
    VMM_POWEROFF = 0, /* the agent ended with status 0, or the lifeline closed */
    VMM_FAILED = 2,   /* there is no guest: the reason is on the console */
    VMM_PANIC = 3,    /* the agent died otherwise */
};

#endif
