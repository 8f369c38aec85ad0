/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <json-c/json.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "cli/cli.h"

int cli_format(const char *value, bool *ret_json, struct err *err)
{
    if (value && strcmp(value, "json") != 0 && strcmp(value, "table") != 0 &&
        strcmp(value, "text") != 0)
        return err_set(err, EINVAL, "unknown format '%s': use table or json", value);
    *ret_json = value && strcmp(value, "json") == 0;
    return 0;
}

int cli_print(const char *text, struct err *err)
{
    size_t len = strlen(text);

    if (printf("%s%s", text, len && text[len - 1] == '\n' ? "" : "\n") < 0 || fflush(stdout) != 0)
        return err_set(err, errno, "write to stdout: %m");
    return 0;
}

int cli_print_json(json_object *o, struct err *err)
{
    int r = 0;

    if (o)
        r = cli_print(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
                                                            JSON_C_TO_STRING_NOSLASHESCAPE),
                      err);
    json_object_put(o);
    return r;
}

int cli_check_pid_file(const char *file, struct err *err)
{
    cleanup_free char *copy = xstrdup(file);
    const char *dir = copy ? dirname(copy) : NULL;

    if (dir && access(dir, W_OK | X_OK) < 0)
        return err_set(err, errno, "pid file '%s': directory '%s': %m", file, dir);
    return 0;
}

int cli_usage(const struct verb *v, struct err *err)
{
    return err_set(err, EINVAL, "%s: wrong arguments, usage: anyvisor %s [OPTIONS]%s%s", v->name,
                   v->name, *v->arguments ? " " : "", v->arguments);
}

/* One line: engines show the last line of level error, and people want one sentence. */
void cli_report(const struct cli *cli, const struct err *err)
{
    bool phase = err->phase != PHASE_NONE && err->phase != PHASE_PROCESS;
    const char *name = phase ? err_phase_name(err->phase) : "";
    char text[2 * sizeof(err->msg)]; /* part of it may be a guest's */

    if (cli->log)
        log_error("%s%s%s", name, phase ? ": " : "", err->msg);
    log_tame(text, sizeof(text), err->msg);
    fprintf(stderr, "anyvisor: %s%s%s\n", name, phase ? ": " : "", text);
}
