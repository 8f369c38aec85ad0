/* SPDX-License-Identifier: Apache-2.0 */
#include "xml.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(struct xml *x, const char *bytes, size_t n)
{
    size_t need = x->len + n + 1;

    if (x->failed)
        return;
    if (need > x->cap) {
        size_t cap = need < 2048 ? 4096 : 2 * need;
        char *grown = realloc(x->text, cap);

        if (!grown) {
            x->failed = ENOMEM;
            return;
        }
        x->text = grown;
        x->cap = cap;
    }
    memcpy(x->text + x->len, bytes, n);
    x->len += n;
    x->text[x->len] = '\0';
}

static void put_text(struct xml *x, const char *text)
{
    put(x, text, strlen(text));
}

static const char *entity(char ch)
{
    switch (ch) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '\'':
        return "&apos;";
    case '"':
        return "&quot;";
    default:
        return NULL;
    }
}

/* A parser may turn white space other than blanks into blanks, and other control bytes are not
 * XML: neither would be the value that was meant. */
static void put_escaped(struct xml *x, const char *text)
{
    for (; *text; text++) {
        const char *e = entity(*text);

        if ((unsigned char)*text < 0x20)
            x->failed = x->failed ? x->failed : EINVAL;
        if (e)
            put_text(x, e);
        else
            put(x, text, 1);
    }
}

static void end_tag(struct xml *x)
{
    if (x->in_tag)
        put_text(x, ">");
    x->in_tag = false;
}

void xml_open(struct xml *x, const char *name)
{
    end_tag(x);
    if (x->depth == XML_DEPTH) {
        x->failed = EINVAL;
        return;
    }
    x->open[x->depth++] = name;
    put_text(x, "<");
    put_text(x, name);
    x->in_tag = true;
}

void xml_attr(struct xml *x, const char *key, const char *value)
{
    put_text(x, " ");
    put_text(x, key);
    put_text(x, "='");
    put_escaped(x, value);
    put_text(x, "'");
}

void xml_attrf(struct xml *x, const char *key, const char *format, ...)
{
    char *value = NULL;
    va_list ap;
    int n;

    va_start(ap, format);
    n = vasprintf(&value, format, ap);
    va_end(ap);
    if (n < 0) {
        x->failed = ENOMEM;
        return;
    }
    xml_attr(x, key, value);
    free(value);
}

void xml_text(struct xml *x, const char *text)
{
    end_tag(x);
    put_escaped(x, text);
}

void xml_close(struct xml *x)
{
    if (x->depth == 0) {
        x->failed = EINVAL;
        return;
    }
    x->depth--;
    if (x->in_tag) {
        put_text(x, "/>");
        x->in_tag = false;
        return;
    }
    put_text(x, "</");
    put_text(x, x->open[x->depth]);
    put_text(x, ">");
}

void xml_empty(struct xml *x, const char *name, ...)
{
    const char *key;
    va_list ap;

    xml_open(x, name);
    va_start(ap, name);
    while ((key = va_arg(ap, const char *)))
        xml_attr(x, key, va_arg(ap, const char *));
    va_end(ap);
    xml_close(x);
}

void xml_leaf(struct xml *x, const char *name, const char *text)
{
    xml_open(x, name);
    xml_text(x, text);
    xml_close(x);
}

int xml_failed(const struct xml *x)
{
    return x->failed;
}

void xml_done(struct xml *x)
{
    free(x->text);
    *x = (struct xml){0};
}
