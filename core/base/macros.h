/* SPDX-License-Identifier: Apache-2.0 */
/*
 * macros.h - the few macros that the whole host side shares.
 * Included by everybody; keep it short: each macro is a word that a newcomer must learn.
 */
#ifndef BASE_MACROS_H
#define BASE_MACROS_H
#include "base/banned.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

#endif
