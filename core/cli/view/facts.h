/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts.h - what two containers saw, line by line: which facts only one has, and which of them
 * may differ between hypervisors. Pure functions for the verb `view diff`.
 */
#ifndef CLI_VIEW_FACTS_H
#define CLI_VIEW_FACTS_H
#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "base/str.h"

/* Facts that may differ: extended regular expressions, each with the comment above it. */
struct view_permitted {
    struct view_rule {
        regex_t regex;
        char *reason;
    } * v;
    size_t n;
};
/* The file's text; a rule without a reason is -EINVAL with its line. */
int view_permitted_parse(const char *text, const char *file, struct view_permitted *ret,
                         struct err *err);
void view_permitted_done(struct view_permitted *p);

struct view_difference {
    int side;           /* which of the two has the fact: 0 or 1 */
    char *fact;         /* owned */
    const char *reason; /* why it may differ, borrowed from the rules; NULL = it may not */
};
struct view_result {
    struct view_difference *v;
    size_t n, same, unexplained;
};

/* Lines of both dumps, but for those that have the word `ignore`; the order says nothing. */
void view_compare(const char *a, const char *b, const char *ignore,
                  const struct view_permitted *permitted, struct view_result *ret);
void view_result_done(struct view_result *r);

#endif
