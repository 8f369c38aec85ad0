/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blame.h - which disk of a domain QEMU's complaint is about: libvirt calls them by numbers of its
 * own, so it is the one with the complaint's address. For call.c. Pure.
 */
#ifndef LV_BLAME_H
#define LV_BLAME_H
#include <stdbool.h>
#include <stddef.h>

/* "disk 'TAG': WHY" from libvirt's message and the XML that it was given. */
bool blame_disk(const char *said, const char *xml, char *buf, size_t len);

#endif
