/* SPDX-License-Identifier: Apache-2.0 */
/*
 * banned.h - turns calls that cannot be bounded or checked into compile errors (git's trick).
 * Comes in with macros.h; the libc headers first, so that only our calls meet the macros.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef strcpy
#undef strcat
#undef sprintf
#undef vsprintf
#undef strtok
#undef atoi
#undef system
#undef popen
#undef gets
#define strcpy(...) banned_use_xstrdup_or_memcpy
#define strcat(...) banned_use_xasprintf
#define sprintf(...) banned_use_snprintf_or_xasprintf
#define vsprintf(...) banned_use_vsnprintf
#define strtok(...) banned_use_strtok_r_or_strcspn
#define atoi(...) banned_use_str_to_u64
#define system(...) banned_use_proc_spawn
#define popen(...) banned_use_proc_spawn
#define gets(...) banned_use_fgets

#endif
