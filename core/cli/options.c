/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include "base/cleanup.h"

#define LONG_BASE 256 /* getopt_long's answers above it are rows of the table */
#define HELP_COLUMN 30

struct forms {
    struct option *longs;
    char *letters;
};

static void forms_done(struct forms *f)
{
    free(f->longs);
    free(f->letters);
}

static void forms_make(const struct option_table *table, bool stop, struct forms *ret)
{
    size_t at = 0;

    ret->longs = xcalloc(table->n + 2, sizeof(*ret->longs));
    ret->letters = xcalloc(1, 2 * table->n + 4);
    if (stop)
        ret->letters[at++] = '+';
    ret->letters[at++] = ':';
    for (size_t i = 0; i < table->n; i++) {
        const struct option_row *row = &table->rows[i];
        bool flag = row->kind == OPTION_FLAG;

        ret->longs[i] = (struct option){row->name, flag ? optional_argument : required_argument,
                                        NULL, LONG_BASE + (int)i};
        if (!row->letter)
            continue;
        ret->letters[at++] = row->letter;
        if (!flag)
            ret->letters[at++] = ':';
    }
    ret->longs[table->n] = (struct option){"help", no_argument, NULL, 'h'};
    ret->letters[at] = 'h';
}

/* "--force", "--force=true", "--force=false", as Go's flag packages take them. */
static int set_flag(const struct option_row *row, const char *value, void *member, struct err *err)
{
    bool on = !value || strcmp(value, "true") == 0 || strcmp(value, "1") == 0;

    if (!on && strcmp(value, "false") != 0 && strcmp(value, "0") != 0)
        return err_set(err, EINVAL, "option '--%s' takes no value", row->name);
    *(bool *)member = on;
    return 0;
}

static int set(const struct option_row *row, const char *value, void *into, struct err *err)
{
    char *member = (char *)into + row->offset;

    if (row->offset == OPTION_NONE)
        return 0;
    switch (row->kind) {
    case OPTION_FLAG:
        return set_flag(row, value, member, err);
    case OPTION_TEXT:
        *(const char **)member = value;
        return 0;
    case OPTION_LIST:
        strv_add((struct strv *)member, value);
        return 0;
    }
    return 0;
}

static const struct option_row *row_of(const struct option_table *table, int answer)
{
    if (answer >= LONG_BASE)
        return &table->rows[answer - LONG_BASE];
    for (size_t i = 0; i < table->n; i++)
        if (table->rows[i].letter == answer)
            return &table->rows[i];
    return NULL;
}

/* The word that getopt_long complains of, as the user wrote it. */
static int complain(int answer, char **argv, struct err *err)
{
    const char *word = argv[optind - 1];

    if (answer == ':')
        return err_set(err, EINVAL, "option '%s' needs a value", word);
    if (optopt && optopt < LONG_BASE)
        return err_set(err, EINVAL, "unknown option '-%c'", optopt);
    return err_set(err, EINVAL, "unknown option '%s'", word);
}

int options_parse(const struct option_table *table, bool stop, int argc, char **argv, void *into,
                  struct err *err)
{
    cleanup_call(forms_done) struct forms forms = {0};
    int answer, r;

    forms_make(table, stop, &forms);
    optind = 0; /* glibc: start anew, also where an earlier run of another table ended */
    opterr = 0;
    while ((answer = getopt_long(argc, argv, forms.letters, forms.longs, NULL)) != -1) {
        const struct option_row *row;

        if (answer == 'h')
            return OPTIONS_HELP;
        if (answer == '?' || answer == ':')
            return complain(answer, argv, err);
        row = row_of(table, answer);
        if (row && (r = set(row, optarg, into, err)) < 0)
            return r;
    }
    return optind;
}

void options_print(const struct option_table *table, FILE *to)
{
    for (size_t i = 0; i < table->n; i++) {
        const struct option_row *row = &table->rows[i];
        char letter[8] = "";
        int width;

        if (row->letter)
            snprintf(letter, sizeof(letter), ", -%c", row->letter);
        width = fprintf(to, "  --%s%s%s%s", row->name, letter, row->value ? " " : "",
                        row->value ? row->value : "");
        fprintf(to, "%*s%s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 1, "", row->help);
    }
    fprintf(to, "  --help, -h%*sshow this help\n", HELP_COLUMN - 12, "");
}
