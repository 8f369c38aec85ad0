/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include "base/macros.h"
#include "cli/cli.h"
#include "cli/options.h"

struct got {
    bool force, all;
    const char *file;
    struct strv env;
};

static const struct option_row rows[] = {
    {"force", 'f', OPTION_FLAG, offsetof(struct got, force), NULL, "help"},
    {"all", 0, OPTION_FLAG, offsetof(struct got, all), NULL, "help"},
    {"file", 'r', OPTION_TEXT, offsetof(struct got, file), "FILE", "help"},
    {"env", 'e', OPTION_LIST, offsetof(struct got, env), "NAME", "help"},
    {"quiet-please", 0, OPTION_TEXT, OPTION_NONE, "X", "help"},
};
static const struct option_table table = {rows, ARRAY_SIZE(rows)};
static struct err err;

/* words: "verb a b" split at blanks; returns what options_parse does. */
static int parse(const char *words, bool stop, struct got *got, char **rest)
{
    static char buf[256];
    static char *argv[32];
    char *at = buf, *word;
    int argc = 0, r;

    snprintf(buf, sizeof(buf), "%s", words);
    while ((word = strsep(&at, " ")))
        argv[argc++] = word;
    argv[argc] = NULL;
    *got = (struct got){0};
    err = (struct err)ERR_INIT;
    r = options_parse(&table, stop, argc, argv, got, &err);
    if (r > 0 && rest)
        *rest = argv[r];
    return r;
}

TEST(values_come_attached_or_as_the_next_word)
{
    static const char *const lines[] = {"v --file=/x id", "v --file /x id", "v -r /x id",
                                        "v -r/x id", "v id --file /x"};
    struct got got;
    char *rest;

    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        if (parse(lines[i], false, &got, &rest) < 0)
            TEST_FAIL("'%s': %s", lines[i], err.msg);
        CHECK_STR_EQ(got.file, "/x");
        CHECK_STR_EQ(rest, "id");
    }
}

TEST(a_dash_is_a_value_and_an_argument)
{
    struct got got;
    char *rest;

    CHECK(parse("v --file - id", false, &got, &rest) > 0);
    CHECK_STR_EQ(got.file, "-");
    CHECK_STR_EQ(rest, "id");
}

TEST(flags_take_true_and_false_as_go_programs_write_them)
{
    struct got got;

    CHECK(parse("v --force --all=true", false, &got, NULL) > 0);
    CHECK(got.force && got.all);
    CHECK(parse("v -f --all=false", false, &got, NULL) > 0);
    CHECK(got.force && !got.all);
    CHECK_ERR(parse("v --force=maybe", false, &got, NULL), -EINVAL);
    CHECK_STR_EQ(err.msg, "option '--force' takes no value");
}

TEST(options_after_the_first_argument_belong_to_the_command_when_asked)
{
    struct got got;
    char *rest;

    CHECK(parse("exec -f id ls -r --all", true, &got, &rest) > 0);
    CHECK_STR_EQ(rest, "id");
    CHECK(got.force && !got.all && !got.file);
}

TEST(lists_gather_in_order_and_ignored_options_vanish)
{
    struct got got;

    CHECK(parse("v -e A=1 --quiet-please x --env=B=2 id", false, &got, NULL) > 0);
    CHECK_INT_EQ(got.env.n, 2);
    CHECK_STR_EQ(got.env.v[1], "B=2");
    strv_done(&got.env);
}

TEST(mistakes_are_one_sentence_that_names_the_word)
{
    static const struct {
        const char *line, *want;
    } t[] = {
        {"v --nope id", "unknown option '--nope'"},
        {"v -z id", "unknown option '-z'"},
        {"v id --file", "option '--file' needs a value"},
        {"v id -r", "option '-r' needs a value"},
    };
    struct got got;

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        CHECK_ERR(parse(t[i].line, false, &got, NULL), -EINVAL);
        CHECK_STR_EQ(err.msg, t[i].want);
    }
}

TEST(help_wins)
{
    struct got got;

    CHECK_INT_EQ(parse("v --help", false, &got, NULL), OPTIONS_HELP);
    CHECK_INT_EQ(parse("v id -h", false, &got, NULL), OPTIONS_HELP);
}

/* What engines pass: facts about podman, containerd and Docker, word for word. */
TEST(the_calls_of_engines_parse)
{
    static const struct {
        const struct verb *verb;
        const char *words;
    } calls[] = {
        {&verb_create, "create --bundle /b --pid-file /p ID"},
        {&verb_create, "create --bundle /b --pid-file /p --console-socket /s ID"},
        {&verb_create, "create --no-pivot --no-new-keyring --preserve-fds 2 --bundle /b ID"},
        {&verb_run, "run -d -b /b --keep --pid-file /p --no-pivot ID"},
        {&verb_exec, "exec --pid-file /p --process /f --detach ID"},
        {&verb_exec, "exec --pid-file /p --process /f --detach --tty --console-socket /s ID"},
        {&verb_exec, "exec -t -u 1:2 -e A=b -g 5 -c CAP_KILL --cwd / -p /f ID sh -c x"},
        {&verb_kill, "kill --all ID 9"},
        {&verb_kill, "kill ID 15"},
        {&verb_delete, "delete --force ID"},
        {&verb_delete, "delete -f ID"},
        {&verb_update, "update --resources=/var/tmp/x ID"},
        {&verb_update, "update --resources - ID"},
        {&verb_update, "update -r - --memory 1 --cpu-share 2 --pids-limit 5 --cpuset-cpus 0 ID"},
        {&verb_ps, "ps --format json ID"},
        {&verb_list, "list -q --format json"},
        {&verb_events, "events --stats --interval 5s ID"},
        {&verb_spec, "spec --rootless -b /b"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        const struct verb *v = calls[i].verb;
        char *options = xcalloc(1, v->size + 1), buf[256], *argv[32], *at = buf, *word;
        int argc = 0, r;

        snprintf(buf, sizeof(buf), "%s", calls[i].words);
        while ((word = strsep(&at, " ")))
            argv[argc++] = word;
        argv[argc] = NULL;
        r = options_parse(&v->options, v->stop, argc, argv, options, &err);
        if (r < 0)
            TEST_FAIL("'%s': %s", calls[i].words, err.msg);
        CHECK(argc - r >= v->min_args && (v->max_args < 0 || argc - r <= v->max_args));
        for (size_t k = 0; k < v->options.n; k++)
            if (v->options.rows[k].kind == OPTION_LIST)
                strv_done((struct strv *)(options + v->options.rows[k].offset));
        free(options);
    }
}
