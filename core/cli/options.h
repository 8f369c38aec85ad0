/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.h - command lines as tables: one row per option, parsed into a verb's own struct.
 * For main and the verbs; knows nothing of what an option means.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "base/err.h"
#include "base/str.h"

enum option_kind {
    OPTION_FLAG, /* bool */
    OPTION_TEXT, /* const char * into argv */
    OPTION_LIST, /* struct strv; may be repeated */
};

struct option_row {
    const char *name; /* without dashes */
    char letter;      /* short form; 0 = none */
    enum option_kind kind;
    size_t offset;     /* of the member in the verb's struct */
    const char *value; /* how help calls the value; NULL for flags */
    const char *help;
};

struct option_table {
    const struct option_row *rows;
    size_t n;
};

#define OPTION_NONE SIZE_MAX /* offset of an option that is accepted and ignored */

/*
 * Parse argv[1..argc-1] into *into. stop: the first word that is no option ends it; otherwise
 * options may stand anywhere. Returns the index of the first argument (argv is permuted), -EINVAL
 * with one sentence, or OPTIONS_HELP for -h and --help.
 */
#define OPTIONS_HELP (-0x10000)
int options_parse(const struct option_table *table, bool stop, int argc, char **argv, void *into,
                  struct err *err);

void options_print(const struct option_table *table, FILE *to);

#endif
