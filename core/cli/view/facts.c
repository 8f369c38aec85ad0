/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/view/facts.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/macros.h"

static struct strv lines_of(const char *text, const char *ignore)
{
    struct strv lines = {0};

    while (*text) {
        size_t len = strcspn(text, "\n");
        cleanup_free char *line = xstrndup(text, len);

        if (len && !(ignore && strstr(line, ignore)))
            strv_add(&lines, line);
        text += len + (text[len] == '\n');
    }
    return lines;
}

static int add_rule(struct view_permitted *p, const char *pattern, const char *reason,
                    const char *file, size_t number, struct err *err)
{
    struct view_rule rule = {.reason = NULL};
    char why[128];
    int r;

    if (!reason)
        return err_set(err, EINVAL, "%s:%zu: '%s' has no comment above it that says why", file,
                       number, pattern);
    if ((r = regcomp(&rule.regex, pattern, REG_EXTENDED | REG_NOSUB)) != 0) {
        regerror(r, &rule.regex, why, sizeof(why));
        return err_set(err, EINVAL, "%s:%zu: '%s': %s", file, number, pattern, why);
    }
    rule.reason = xstrdup(reason);
    p->v = xreallocarray(p->v, p->n + 1, sizeof(*p->v));
    p->v[p->n++] = rule;
    return 0;
}

/* A comment of several lines is one reason; an empty line ends it. */
static void add_to_reason(char **reason, const char *line)
{
    cleanup_free char *old = *reason;

    line += strspn(line, "# ");
    *reason = old ? xasprintf("%s %s", old, line) : xstrdup(line);
}

int view_permitted_parse(const char *text, const char *file, struct view_permitted *ret,
                         struct err *err)
{
    struct view_permitted p = {0};
    cleanup_free char *reason = NULL;
    bool in_comment = false;
    size_t number = 0;
    int r = 0;

    while (*text && r == 0) {
        size_t len = strcspn(text, "\n");
        cleanup_free char *line = xstrndup(text, len);
        bool comment = line[0] == '#';

        number++;
        if (comment ? !in_comment : len == 0) {
            free(reason);
            reason = NULL;
        }
        if (comment)
            add_to_reason(&reason, line);
        else if (len)
            r = add_rule(&p, line, reason, file, number, err);
        in_comment = comment;
        text += len + (text[len] == '\n');
    }
    if (r < 0)
        view_permitted_done(&p);
    else
        *ret = p;
    return r;
}

void view_permitted_done(struct view_permitted *p)
{
    for (size_t i = 0; i < p->n; i++) {
        regfree(&p->v[i].regex);
        free(p->v[i].reason);
    }
    free(p->v);
    *p = (struct view_permitted){0};
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static const char *reason_for(const struct view_permitted *p, const char *fact)
{
    for (size_t i = 0; i < p->n; i++)
        if (regexec(&p->v[i].regex, fact, 0, NULL, 0) == 0)
            return p->v[i].reason;
    return NULL;
}

static void differ(struct view_result *r, int side, const char *fact,
                   const struct view_permitted *permitted)
{
    const char *reason = reason_for(permitted, fact);

    r->v = xreallocarray(r->v, r->n + 1, sizeof(*r->v));
    r->v[r->n++] = (struct view_difference){side, xstrdup(fact), reason};
    r->unexplained += !reason;
}

void view_compare(const char *a, const char *b, const char *ignore,
                  const struct view_permitted *permitted, struct view_result *ret)
{
    struct strv s[2] = {lines_of(a, ignore), lines_of(b, ignore)};
    struct view_result r = {0};
    size_t i = 0, k = 0;

    for (size_t side = 0; side < 2; side++)
        if (s[side].n)
            qsort(s[side].v, s[side].n, sizeof(char *), by_text);
    while (i < s[0].n || k < s[1].n) {
        int order = i == s[0].n ? 1 : k == s[1].n ? -1 : strcmp(s[0].v[i], s[1].v[k]);

        if (order < 0)
            differ(&r, 0, s[0].v[i], permitted);
        else if (order > 0)
            differ(&r, 1, s[1].v[k], permitted);
        else
            r.same++;
        i += order <= 0;
        k += order >= 0;
    }
    strv_done(&s[0]);
    strv_done(&s[1]);
    *ret = r;
}

void view_result_done(struct view_result *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->v[i].fact);
    free(r->v);
    *r = (struct view_result){0};
}
