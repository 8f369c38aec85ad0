/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "cli/cli.h"

static const struct verb *const verbs[] = {
    &verb_create,
    &verb_start,
    &verb_run,
    &verb_exec,
    &verb_state,
    &verb_kill,
    &verb_delete,
    &verb_ps,
    &verb_list,
    &verb_pause,
    &verb_resume,
    &verb_update,
    &verb_events,
    &verb_features,
    &verb_spec,
    &verb_check,
    &verb_backends,
    &verb_explain,
    &verb_gc,
    &verb_logs,
    &verb_timings,
    &verb_console,
    &verb_config,
    &verb_plugin_new,
    &verb_plugin_test,
    &verb_network,
    &verb_view,
    &verb_template_build,
    &verb_template_list,
    &verb_template_check,
    &verb_template_remove,
    &verb_pool_fill,
    &verb_pool_status,
    &verb_pool_drain,
};

#define GLOBAL(member) offsetof(struct cli, member)
static const struct option_row global_rows[] = {
    {"root", 0, OPTION_TEXT, GLOBAL(root), "DIR",
     "where containers are kept (default /run/anyvisor)"},
    {"log", 0, OPTION_TEXT, GLOBAL(log), "FILE", "also log to FILE"},
    {"log-format", 0, OPTION_TEXT, GLOBAL(log_format), "FORMAT", "text or json"},
    {"debug", 0, OPTION_FLAG, GLOBAL(debug), NULL, "log more"},
    {"config", 0, OPTION_TEXT, GLOBAL(config), "FILE",
     "use FILE instead of anyvisor.yaml (or ANYVISOR_CONFIG)"},
    {"class", 0, OPTION_TEXT, GLOBAL(cls), "CLASS",
     "the class of the workload, whatever the rules say; 'default' for none"},
    {"systemd-cgroup", 0, OPTION_FLAG, GLOBAL(systemd_cgroup), NULL,
     "put containers into scopes of systemd"},
    {"criu", 0, OPTION_TEXT, GLOBAL(unused), "PATH", "accepted for runc's sake, ignored"},
    {"rootless", 0, OPTION_TEXT, GLOBAL(unused), "WORD", "accepted for runc's sake, ignored"},
    {"version", 'v', OPTION_FLAG, GLOBAL(version), NULL, "show the version"},
};
static const struct option_table globals = {global_rows, ARRAY_SIZE(global_rows)};

static void print_help(FILE *to)
{
    fprintf(to, "anyvisor - an OCI runtime that gives every container a virtual machine\n\n"
                "usage: anyvisor [GLOBAL OPTIONS] VERB [OPTIONS] [ARGUMENTS]\n\nverbs:\n");
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        fprintf(to, "  %-17s%s\n", verbs[i]->name, verbs[i]->summary);
    fprintf(to, "\nglobal options:\n");
    options_print(&globals, to);
    fprintf(to, "\n'anyvisor VERB --help' tells more of a verb.\n");
}

static void print_verb_help(const struct verb *v, FILE *to)
{
    fprintf(to, "anyvisor %s - %s\n\nusage: anyvisor %s [OPTIONS]%s%s\n\noptions:\n", v->name,
            v->summary, v->name, *v->arguments ? " " : "", v->arguments);
    options_print(&v->options, to);
    fprintf(to, "\nExit status: 0 on success, %d on failure%s.\n", v->failure ? v->failure : 1,
            v == &verb_run || v == &verb_exec ? ", else that of the process" : "");
}

static void print_version(void)
{
    printf("anyvisor version %s\ncommit: %s\nspec: 1.2.0\n", layout_version(), AV_COMMIT);
}

static int start_log(const struct cli *cli, int *ret_fd, struct err *err)
{
    enum log_format format = LOG_TEXT;
    enum log_level level = cli->debug ? LOG_L_DEBUG : cli->log ? LOG_L_INFO : LOG_L_WARN;

    if (cli->log_format && strcmp(cli->log_format, "json") == 0)
        format = LOG_JSON;
    else if (cli->log_format && strcmp(cli->log_format, "text") != 0)
        return err_set(err, EINVAL, "unknown --log-format '%s': use text or json", cli->log_format);
    if (cli->log) {
        *ret_fd = open(cli->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (*ret_fd < 0)
            return err_set(err, errno, "open log '%s': %m", cli->log);
    }
    log_init(cli->log ? *ret_fd : STDERR_FILENO, format, level);
    return 0;
}

/* How many words the verb's name takes of the command line ("config check": 2); 0 = another verb.
 */
static int words_of(const struct verb *v, int argc, char **argv)
{
    size_t len = strlen(argv[0]);

    if (strncmp(v->name, argv[0], len) != 0)
        return 0;
    if (v->name[len] == '\0')
        return 1;
    return v->name[len] == ' ' && argc > 1 && strcmp(v->name + len + 1, argv[1]) == 0 ? 2 : 0;
}

/* Of a verb of two words the first alone, or with another second one. */
static void half_a_verb(const char *const *names, size_t n, int argc, char **argv, struct err *err)
{
    bool two = argc > 1 && argv[1][0] != '-';
    cleanup_free char *words = two ? xasprintf("%s %s", argv[0], argv[1]) : xstrdup(argv[0]);
    cleanup_free char *advice = str_advice(words, names, n);

    err_set(err, EINVAL, "unknown verb '%s', %s", words, advice);
}

static void unknown_verb(int argc, char **argv, struct err *err)
{
    const char *names[ARRAY_SIZE(verbs)], *halves[ARRAY_SIZE(verbs)], *near;
    size_t len = strlen(argv[0]), n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        names[i] = verbs[i]->name;
        if (strncmp(names[i], argv[0], len) == 0 && names[i][len] == ' ')
            halves[n++] = names[i];
    }
    if (n > 0) {
        half_a_verb(halves, n, argc, argv, err);
        return;
    }
    near = str_nearest(argv[0], names, ARRAY_SIZE(names));
    err_set(err, EINVAL, "unknown verb '%s'%s%s%s", argv[0],
            near ? ", did you mean '" : "; 'anyvisor --help' lists them", near ? near : "",
            near ? "'?" : "");
}

/* *ret_last: index of the last word of the verb. */
static const struct verb *find_verb(int argc, char **argv, int *ret_last, struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        int words = words_of(verbs[i], argc, argv);

        if (words) {
            *ret_last = words - 1;
            return verbs[i];
        }
    }
    unknown_verb(argc, argv, err);
    return NULL;
}

static int check_arguments(const struct verb *v, int n, struct err *err)
{
    bool wrong = n < v->min_args || (v->max_args >= 0 && n > v->max_args);

    return wrong ? cli_usage(v, err) : 0;
}

/* Lists that options filled. */
static void free_options(const struct verb *v, void *options)
{
    for (size_t i = 0; i < v->options.n; i++)
        if (v->options.rows[i].kind == OPTION_LIST && v->options.rows[i].offset != OPTION_NONE)
            strv_done((struct strv *)((char *)options + v->options.rows[i].offset));
    free(options);
}

static int run_verb(struct cli *cli, const struct verb *v, int argc, char **argv, struct err *err)
{
    void *options = xcalloc(1, v->size ? v->size : 1);
    int first = options_parse(&v->options, v->stop, argc, argv, options, err);
    int r;

    if (first == OPTIONS_HELP) {
        print_verb_help(v, stdout);
        r = 0;
    } else if (first < 0) {
        r = err_wrap(err, "%s", v->name);
    } else if ((r = check_arguments(v, argc - first, err)) == 0) {
        r = v->run(cli, options, argc - first, argv + first, err);
    }
    free_options(v, options);
    return r;
}

/* Monitor and proxy have other working directories. */
static int make_root_absolute(struct cli *cli, struct err *err)
{
    cleanup_free char *here = getcwd(NULL, 0);

    if (!here)
        return err_set(err, errno, "find the working directory for --root '%s': %m", cli->root);
    cli->root = cli->absolute_root = path_join(here, cli->root);
    return 0;
}

static int prepare(struct cli *cli, int *ret_log_fd, struct err *err)
{
    int r;

    if ((r = start_log(cli, ret_log_fd, err)) < 0) {
        cli->log = NULL; /* there is none to report to */
        return r;
    }
    if (!cli->root || !*cli->root)
        cli->root = layout_state_dir();
    if (cli->root[0] != '/' && (r = make_root_absolute(cli, err)) < 0)
        return r;
    return layout_find(&cli->layout, err);
}

/* A parent may have closed 0, 1 or 2: nothing that is opened later shall land there. */
static void fill_stdio(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

static int finish(struct cli *cli, const struct verb *v, int r, const struct err *err)
{
    struct err unwritten = ERR_INIT;

    if (fflush(stdout) != 0 && r == 0) {
        r = err_set(&unwritten, errno, "write to standard output: %m");
        err = &unwritten;
    }
    if (r < 0)
        cli_report(cli, err);
    layout_done(&cli->layout);
    free(cli->absolute_root);
    if (r >= 0)
        return r;
    return v && v->failure ? v->failure : 1;
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    struct err err = ERR_INIT;
    const struct verb *v;
    cleanup_fd int log_fd = -1;
    int first, last = 0, r;

    fill_stdio();
    cli.runtime = argc > 0 && strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
    signal(SIGPIPE, SIG_IGN);
    first = options_parse(&globals, true, argc, argv, &cli, &err);
    if (first == OPTIONS_HELP || (first == argc && !cli.version)) {
        print_help(first == OPTIONS_HELP ? stdout : stderr);
        return first == OPTIONS_HELP ? 0 : 1;
    }
    if (first < 0)
        return finish(&cli, NULL, first, &err);
    if (cli.version) {
        print_version();
        return 0;
    }
    v = find_verb(argc - first, argv + first, &last, &err);
    first += last;
    r = v ? prepare(&cli, &log_fd, &err) : -err.code;
    if (r == 0)
        r = run_verb(&cli, v, argc - first, argv + first, &err);
    return finish(&cli, v, r, &err);
}
