/* SPDX-License-Identifier: Apache-2.0 */
/*
 * str.h - strings, string lists, numbers from text. Allocation failures abort: a runtime that has
 * no memory for a path cannot do anything useful, and unchecked half-strings are worse.
 */
#ifndef BASE_STR_H
#define BASE_STR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

void *xcalloc(size_t n, size_t size); /* zeroed */
void *xreallocarray(void *p, size_t n, size_t size);
char *xstrdup(const char *s); /* NULL gives NULL */
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2);
void *xmemdup(const void *p, size_t n);

/* NULL-terminated array of strings that owns its members. {0} is an empty one. */
struct strv {
    char **v; /* NULL or NULL-terminated */
    size_t n;
};
void strv_add(struct strv *s, const char *text); /* copies */
void strv_addf(struct strv *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool strv_has(const struct strv *s, const char *text);
void strv_done(struct strv *s);

/* Frees a secret, overwritten before; NULL is fine. */
void str_forget(char *secret);

/* Ordered key/value pairs that own their strings. {0} is an empty list. */
struct kv {
    char *key, *value;
};
struct kvs {
    struct kv *v;
    size_t n;
};
void kvs_add(struct kvs *l, const char *key, const char *value);
void kvs_set(struct kvs *l, const char *key, const char *value); /* replaces the first one */
const char *kvs_get(const struct kvs *l, const char *key); /* NULL = absent; the first one wins */
void kvs_done(struct kvs *l);

/* Whole text as a decimal number in [min, max]; -EINVAL or -ERANGE without filling anything. */
int str_to_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret);
int str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret);

/* "64MiB", "2G", "512k", "1048576": binary units, to bytes. */
int str_to_size(const char *s, uint64_t *ret);

bool str_starts_with(const char *s, const char *prefix);
bool str_ends_with(const char *s, const char *suffix);

/*
 * The nearest of n candidates by edit distance, or NULL when none is near enough to be a typing
 * mistake (distance <= max(1, length / 3)).
 */
const char *str_nearest(const char *word, const char *const *candidates, size_t n);
/* What to do about a word that is none of n > 0: "did you mean 'b'?", or "expected a, b or c". */
char *str_advice(const char *word, const char *const *candidates, size_t n);

/* Somebody else's text for a terminal or one line of a log: what controls a terminal, also as C1
 * in UTF-8, becomes '?', in place. */
void str_tame(char *s);

/* "SIGTERM", "TERM", "15", "RTMIN+3" -> 1..64 (Linux, generic numbering); else -EINVAL. */
int str_to_signal(const char *s);
const char *signal_name(int signo); /* "SIGTERM"; NULL for unnamed ones */

/* Container ids: [A-Za-z0-9_+.-]{1,1024}, not "." or ".." (runc's rule). 0 or -EINVAL with text. */
int str_check_id(const char *id, struct err *err);

#endif
