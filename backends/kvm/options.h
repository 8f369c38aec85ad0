/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.h - the key/value options of one device: looked up, and checked against what is known.
 * Used by device.c and disk.c.
 */
#ifndef KVM_OPTIONS_H
#define KVM_OPTIONS_H
#include <stdbool.h>
#include <stdint.h>
#include <anyvisor/hvp.h>

/* Value of key, NULL = it is not there. */
const char *options_get(const struct hvp_kv *kv, size_t n, const char *key);
/* Every key is one of the NULL-ended words and is given once; else -EINVAL naming tag and key. */
int options_check(const char *tag, const struct hvp_kv *kv, size_t n, const char *const *words,
                  struct hvp_error *err);
/* Decimal digits only, at most max. */
bool options_number(const char *text, uint32_t max, uint32_t *ret);

#endif
