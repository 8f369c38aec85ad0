/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup.h - a cgroup v2 of its own for each fake guest: what makes its end complete, for nothing
 * in it can escape, and the agent's own directories below it go with it.
 * fake-vmm enters it before the guest is made; the plug-in and fake-vmm remove it.
 */
#ifndef FAKE_CGROUP_H
#define FAKE_CGROUP_H
#include <stddef.h>
#include <sys/types.h>

/* Directory for the guest of the VMM pid; -ENOENT: this host has no cgroup v2. */
int fake_cgroup_path(pid_t pid, const char *uuid, char *path, size_t len);
/* Make it and move the calling process into it. */
int fake_cgroup_enter(const char *path);
/* Back to the directory above. */
void fake_cgroup_leave(const char *path);
/* Kill what is in it, wait until it is empty, remove it.  0 also when there is none. */
int fake_cgroup_remove(const char *path, int timeout_ms);

#endif
