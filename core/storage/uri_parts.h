/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uri_parts.h - a URI in its pieces, decoded, before anyone asks what they mean.
 * For uri.c alone.
 */
#ifndef STORAGE_URI_PARTS_H
#define STORAGE_URI_PARTS_H
#include <stdbool.h>
#include "base/err.h"
#include "base/str.h"

#define URI_KEYS_MAX 5

struct uri_text {
    const char *scheme;       /* "nbd:" */
    const char *text, *shown; /* whole; as messages may show it */
    const char *const *keys;  /* URI_KEYS_MAX words that the query may have, or NULL */
    struct err *err;
};

/* NULL = not there, but path always is. */
struct uri_parts {
    char *user, *host, *port, *path;
    struct kvs query;
    bool has_authority;
};

/* On failure, too, the caller calls uri_parts_done. */
int uri_split(const struct uri_text *p, struct uri_parts *ret);
void uri_parts_done(struct uri_parts *p);

/* The text up to its query, without user and password, and without what could move a cursor. */
char *uri_shown(const char *text);

/* -EINVAL and the sentence "volume 'SHOWN': ...". */
int uri_bad(const struct uri_text *p, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
