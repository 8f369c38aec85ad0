/* SPDX-License-Identifier: Apache-2.0 */
#include "args.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes word over. */
static void push(struct args *a, char *word)
{
    if (word && a->n + 2 > a->cap) {
        size_t cap = a->cap ? a->cap * 2 : 64;
        char **v = realloc(a->v, cap * sizeof(*v));

        if (!v) {
            free(word);
            word = NULL;
        } else {
            a->v = v;
            a->cap = cap;
        }
    }
    if (!word) {
        a->failed = true;
        return;
    }
    a->v[a->n++] = word;
    a->v[a->n] = NULL;
}

void args_add(struct args *a, const char *word)
{
    push(a, strdup(word));
}

void args_addf(struct args *a, const char *fmt, ...)
{
    char *word = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&word, fmt, ap) < 0)
        word = NULL;
    va_end(ap);
    push(a, word);
}

char *args_escape(const char *text)
{
    char *out = malloc(2 * strlen(text) + 1), *p = out;

    if (!out)
        return NULL;
    for (; *text; text++) {
        if (*text == ',')
            *p++ = ',';
        *p++ = *text;
    }
    *p = '\0';
    return out;
}

bool args_failed(const struct args *a)
{
    return a->failed || a->n == 0;
}

void args_done(struct args *a)
{
    for (size_t i = 0; i < a->n; i++)
        free(a->v[i]);
    free(a->v);
    *a = (struct args){0};
}
