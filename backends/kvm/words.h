/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words.h - QEMU's complaint about a device, found in its log and cut down to what a human wants.
 * Used by connect.c when QEMU ends while it starts, hotplug.c and libvirt/blame.c.  Pure.
 */
#ifndef KVM_WORDS_H
#define KVM_WORDS_H
#include <stdbool.h>
#include <stddef.h>

struct json_object;

/*
 * The last line that blames an option in JSON whose object is one of a device of ours:
 *     qemu-system-x86_64: -blockdev {"node-name":"n-data",...}: Failed to connect ...
 * becomes "disk 'data': Failed to connect ...".  false: there is no such line.
 */
bool words_of_disk(const char *log, char *buf, size_t len);

/* A sentence that ends in QEMU's words for a lock of an image ends in ours, in the same place. */
void words_of_lock(char *text, size_t len);

/*
 * The same line apart: what stands in the option, the caller's from now on, and the rest of log
 * behind it.
 */
bool words_split(const char *log, struct json_object **ret_option, const char **ret_why);

#endif
