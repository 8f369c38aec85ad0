/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evict.h - keeps the image cache below its size. For images.c only.
 */
#ifndef STORAGE_EVICT_H
#define STORAGE_EVICT_H
#include <stdint.h>

/* Drop the least recently used images, but never that of key. VMs that use a dropped one
 * keep it. */
void storage_evict(int dir, uint64_t max_size, const char *key);

#endif
