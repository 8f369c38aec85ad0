/* SPDX-License-Identifier: Apache-2.0 */
/* What every kind of URI has in common; the kinds are uri.c's. */
#include "storage/uri_parts.h"
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"

int uri_bad(const struct uri_text *p, const char *fmt, ...)
{
    char why[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    return err_set_phase(p->err, PHASE_CONFIG, EINVAL, "volume '%s': %s", p->shown, why);
}

/* Up to the last '@', wherever it is: a password that is not written as it should be has any. */
char *uri_shown(const char *text)
{
    size_t n = strcspn(text, "?#"), scheme = strcspn(text, ":") + 1, start;
    const char *at;
    char *out;

    scheme += strncmp(text + scheme, "//", 2) == 0 ? 2 : 0;
    at = n > scheme ? memrchr(text + scheme, '@', n - scheme) : NULL;
    start = at ? (size_t)(at + 1 - text) : scheme;
    out = n > start ? xasprintf("%.*s%.*s", (int)scheme, text, (int)(n - start), text + start)
                    : xstrndup(text, scheme);
    for (char *c = out; *c; c++)
        if (!isprint((unsigned char)*c))
            *c = '?';
    return out;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %XX becomes its byte; control characters are nobody's name, however they are written. */
static int decode(const struct uri_text *p, const char *text, size_t n, char **ret)
{
    cleanup_free char *out = xcalloc(1, n + 1);
    char *end = out;

    for (size_t i = 0; i < n; i++) {
        char c = text[i];

        if (c == '%') {
            int high = i + 1 < n ? hex(text[i + 1]) : -1, low = i + 2 < n ? hex(text[i + 2]) : -1;

            if (high < 0 || low < 0)
                return uri_bad(p, "a '%%' is not followed by two hexadecimal digits");
            c = (char)(high * 16 + low);
            i += 2;
        }
        if ((unsigned char)c < ' ' || c == 0x7f)
            return uri_bad(p, "it holds a control character");
        *end++ = c;
    }
    free(*ret);
    *ret = steal_ptr(&out);
    return 0;
}

static bool known_key(const char *const *keys, const char *key)
{
    for (size_t i = 0; i < URI_KEYS_MAX && keys[i]; i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

static int split_pair(const struct uri_text *p, const char *text, size_t n, struct uri_parts *ret)
{
    const char *equals = memchr(text, '=', n);
    cleanup_free char *key = NULL, *value = NULL;
    size_t key_len = equals ? (size_t)(equals - text) : n;
    int r;

    if ((r = decode(p, text, key_len, &key)) < 0)
        return r;
    if (!known_key(p->keys, key)) {
        size_t n_keys = 0;
        const char *near;

        while (n_keys < URI_KEYS_MAX && p->keys[n_keys])
            n_keys++;
        near = str_nearest(key, p->keys, n_keys);
        return uri_bad(p, "unknown word '%.40s'%s%s%s", key, near ? ", did you mean '" : "",
                       near ? near : "", near ? "'?" : "");
    }
    if (kvs_get(&ret->query, key))
        return uri_bad(p, "'%s' is there twice", key);
    if (!equals || equals + 1 == text + n)
        return uri_bad(p, "'%s' has no value", key);
    if ((r = decode(p, equals + 1, n - key_len - 1, &value)) < 0)
        return r;
    kvs_add(&ret->query, key, value);
    return 0;
}

static int split_query(const struct uri_text *p, const char *text, struct uri_parts *ret)
{
    int r = 0;

    while (*text && r == 0) {
        size_t n = strcspn(text, "&");

        r = split_pair(p, text, n, ret);
        text += n;
        text += *text == '&';
    }
    return r;
}

static int split_host(const struct uri_text *p, const char *text, size_t n, struct uri_parts *ret)
{
    const char *colon, *end = text + n;

    if (n > 0 && *text == '[') {
        const char *close = memchr(text, ']', n);

        if (!close)
            return uri_bad(p, "the address lacks its ']'");
        colon = close + 1;
        text++;
        n = (size_t)(close - text);
        if (colon < end && *colon != ':')
            return uri_bad(p, "something stands between ']' and the port");
    } else {
        colon = memchr(text, ':', n);
        n = colon ? (size_t)(colon - text) : n;
    }
    if (colon && colon < end) {
        int r = decode(p, colon + 1, (size_t)(end - colon) - 1, &ret->port);

        if (r < 0)
            return r;
    }
    return decode(p, text, n, &ret->host);
}

/* libiscsi's own way to write a password is USER%PASSWORD; %3A is the ':' of a user like
 * iqn.2001-04.com.example:node. */
static bool has_percent(const char *text, const char *end)
{
    while (text < end && (text = memchr(text, '%', (size_t)(end - text)))) {
        if (strncasecmp(text, "%3a", 3) != 0)
            return true;
        text += 3;
    }
    return false;
}

static int split_authority(const struct uri_text *p, const char *text, size_t n,
                           struct uri_parts *ret)
{
    const char *at = n ? memrchr(text, '@', n) : NULL;
    int r;

    ret->has_authority = true;
    if (!at)
        return split_host(p, text, n, ret);
    if (memchr(text, ':', (size_t)(at - text)) ||
        (strcmp(p->scheme, "iscsi:") == 0 && has_percent(text, at)))
        return uri_bad(
            p, "a password does not belong into a URI, which logs and state files show; put "
               "it into a file and name that as the volume's secret");
    if ((r = decode(p, text, (size_t)(at - text), &ret->user)) < 0)
        return r;
    if (!*ret->user)
        return uri_bad(p, "the user's name is empty");
    return split_host(p, at + 1, n - (size_t)(at + 1 - text), ret);
}

int uri_split(const struct uri_text *p, struct uri_parts *ret)
{
    const char *text = p->text + strlen(p->scheme);
    size_t n;
    int r = 0;

    if (strchr(text, '#'))
        return uri_bad(p, "a '#' has no meaning here; write %%23 for one in a name");
    if (str_starts_with(text, "//")) {
        text += 2;
        n = strcspn(text, "/?");
        r = split_authority(p, text, n, ret);
        text += n;
    }
    n = strcspn(text, "?");
    if (r == 0)
        r = decode(p, text, n, &ret->path);
    text += n;
    return r == 0 && *text == '?' ? split_query(p, text + 1, ret) : r;
}

void uri_parts_done(struct uri_parts *p)
{
    free(p->user);
    free(p->host);
    free(p->port);
    free(p->path);
    kvs_done(&p->query);
}
