/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"

#define ID_MAX_LEN 1024

static void *need(void *p)
{
    if (!p) {
        fputs("anyvisor: out of memory\n", stderr);
        abort();
    }
    return p;
}

/* Never NULL, not even for zero bytes: callers may use NULL for "absent". */
void *xcalloc(size_t n, size_t size)
{
    return n == 0 || size == 0 ? need(calloc(1, 1)) : need(calloc(n, size));
}

void *xreallocarray(void *p, size_t n, size_t size)
{
    if (n == 0 || size == 0)
        n = size = 1;
    return need(reallocarray(p, n, size));
}

char *xstrdup(const char *s)
{
    return s ? need(strdup(s)) : NULL;
}

char *xstrndup(const char *s, size_t n)
{
    return s ? need(strndup(s, n)) : NULL;
}

static char *xvasprintf(const char *fmt, va_list ap)
{
    char *text = NULL;

    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    return need(text);
}

char *xasprintf(const char *fmt, ...)
{
    char *text;
    va_list ap;

    va_start(ap, fmt);
    text = xvasprintf(fmt, ap);
    va_end(ap);
    return text;
}

void *xmemdup(const void *p, size_t n)
{
    void *copy = xcalloc(n, 1);

    if (n > 0)
        memcpy(copy, p, n);
    return copy;
}

static void strv_take(struct strv *s, char *text)
{
    s->v = xreallocarray(s->v, s->n + 2, sizeof(*s->v));
    s->v[s->n++] = text;
    s->v[s->n] = NULL;
}

void str_forget(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret)); /* memset would not survive the optimizer */
    free(secret);
}

void strv_add(struct strv *s, const char *text)
{
    strv_take(s, xstrdup(text ? text : ""));
}

void strv_addf(struct strv *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    strv_take(s, xvasprintf(fmt, ap));
    va_end(ap);
}

bool strv_has(const struct strv *s, const char *text)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->v[i], text) == 0)
            return true;
    return false;
}

void strv_done(struct strv *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->v[i]);
    free(s->v);
    *s = (struct strv){0};
}

void kvs_add(struct kvs *l, const char *key, const char *value)
{
    l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
    l->v[l->n].key = xstrdup(key ? key : "");
    l->v[l->n].value = xstrdup(value ? value : "");
    l->n++;
}

void kvs_set(struct kvs *l, const char *key, const char *value)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->v[i].key, key) == 0) {
            free(l->v[i].value);
            l->v[i].value = xstrdup(value);
            return;
        }
    kvs_add(l, key, value);
}

const char *kvs_get(const struct kvs *l, const char *key)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->v[i].key, key) == 0)
            return l->v[i].value;
    return NULL;
}

void kvs_done(struct kvs *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->v[i].key);
        free(l->v[i].value);
    }
    free(l->v);
    *l = (struct kvs){0};
}

bool str_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends_with(const char *s, const char *suffix)
{
    size_t len = strlen(s), tail = strlen(suffix);

    return tail <= len && strcmp(s + len - tail, suffix) == 0;
}

static size_t edit_distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    size_t *row = xcalloc(lb + 1, sizeof(*row));
    size_t result;

    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t above = row[j], change = diagonal + (a[i - 1] != b[j - 1]);

            row[j] = MIN(change, MIN(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    result = row[lb];
    free(row);
    return result;
}

/* Two neighbours in the wrong order: one mistake of who types, two edits. */
static bool is_swap(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return a[0] && b[0] && a[0] == b[1] && a[1] == b[0] && strcmp(a + 2, b + 2) == 0;
}

const char *str_nearest(const char *word, const char *const *candidates, size_t n)
{
    size_t best = MAX(strlen(word) / 3, (size_t)1) + 1;
    const char *nearest = NULL;

    if (strlen(word) > 256) /* nobody mistypes that; keeps the work bounded */
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t d = is_swap(word, candidates[i]) ? 1 : edit_distance(word, candidates[i]);

        if (d < best) {
            best = d;
            nearest = candidates[i];
        }
    }
    return nearest;
}

char *str_advice(const char *word, const char *const *candidates, size_t n)
{
    const char *near = str_nearest(word, candidates, n);
    char *text;

    if (near)
        return xasprintf("did you mean '%s'?", near);
    text = xasprintf("expected %s", candidates[0]);
    for (size_t i = 1; i < n; i++) {
        cleanup_free char *before = text;

        text = xasprintf("%s%s%s", before, i + 1 < n ? ", " : " or ", candidates[i]);
    }
    return text;
}

static bool controls(unsigned char first, unsigned char second)
{
    return first < 0x20 || first == 0x7f || (first == 0xc2 && second >= 0x80 && second < 0xa0);
}

void str_tame(char *s)
{
    for (; *s; s++) {
        if (!controls((unsigned char)s[0], (unsigned char)s[1]))
            continue;
        if ((unsigned char)*s == 0xc2)
            *s++ = '?';
        *s = '?';
    }
}

int str_check_id(const char *id, struct err *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-";
    size_t len = id ? strlen(id) : 0;

    if (len == 0)
        return err_set(err, EINVAL, "container id is empty");
    if (len > ID_MAX_LEN)
        return err_set(err, EINVAL, "container id is %zu characters long, at most %d are allowed",
                       len, ID_MAX_LEN);
    if (strspn(id, allowed) != len || strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
        return err_set(err, EINVAL, "invalid container id '%s': only letters, digits, _ + . -", id);
    return 0;
}
