/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start.h - what the kernel does for almost any program while it starts and ends, done once. For
 * the container that warms a VM of a pool up: an emulator has translated the kernel's code then.
 * Most of it runs in page faults of a user's program, and code that was entered by a fault is
 * another to QEMU (its stack segment differs) than the same code entered by a system call.
 */
#ifndef VIEW_START_H
#define VIEW_START_H

/* file: some hundred KiB that nobody has read yet, mapped and touched as text and data are. What
 * fails is left out. */
void start_like_a_program(const char *file);

#endif
