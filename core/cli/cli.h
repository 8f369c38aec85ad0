/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.h - what all verbs share: the global options, the verb table, containers by id.
 * For core/cli only. A verb returns an exit status >= 0, or -errno with *err for main to print.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/layout.h"
#include "base/log.h"
#include "cli/options.h"
#include "monitor/ipc.h"
#include "state/state.h"

#define CLI_HOST_MOUNTS "m"    /* there: what a VMM outside of the monitor's namespace sees */
#define CLI_OWNER_FILE "owner" /* in a run_dir: the state directory that it belongs to */
#define CLI_REQUEST_MS 60000   /* an answer of a living sandbox */
#define CLI_LOCK_MS 60000      /* while another verb is at work on the container */
#define CLI_END_MS 30000       /* for a VM to be gone */

struct cli {
    const char *root, *log, *log_format, *config, *cls, *unused;
    const char *runtime; /* what we were called as */
    char *absolute_root; /* what root points to when it was relative */
    bool debug, systemd_cgroup, version;
    struct layout layout;
};

struct verb {
    const char *name;
    const char *arguments; /* for the usage line */
    const char *summary;
    struct option_table options;
    size_t size;            /* of the struct that options fill */
    int min_args, max_args; /* max -1: any number */
    bool stop;              /* the first argument ends the options */
    int failure;            /* exit status of a failure; 0 means 1 */
    int (*run)(struct cli *cli, void *options, int argc, char **argv, struct err *err);
};

extern const struct verb verb_create, verb_start, verb_run, verb_exec, verb_state, verb_kill,
    verb_delete, verb_ps, verb_list, verb_pause, verb_resume, verb_update, verb_events,
    verb_features, verb_spec, verb_check, verb_backends, verb_explain, verb_gc, verb_logs,
    verb_timings, verb_console, verb_config, verb_network, verb_plugin_new, verb_plugin_test,
    verb_view, verb_template_build, verb_template_list, verb_template_check, verb_template_remove,
    verb_pool_fill, verb_pool_status, verb_pool_drain;

/* One line to stderr, and to --log. */
void cli_report(const struct cli *cli, const struct err *err);

/* --format of the operator's verbs: "table" (or NULL, "text") or "json". */
int cli_format(const char *value, bool *ret_json, struct err *err);

/* Whether a pid file could be written at its place, before anything is made. NULL is fine. */
int cli_check_pid_file(const char *file, struct err *err);

/* -EINVAL for wrong arguments, with the verb's usage in *err. */
int cli_usage(const struct verb *v, struct err *err);

/* Write text and a newline to stdout; a reader that has gone is -EPIPE. */
int cli_print(const char *text, struct err *err);

/* The same for what --format json prints, indented; o is freed, NULL prints nothing. */
struct json_object;
int cli_print_json(struct json_object *o, struct err *err);

/* One container as its directory and its processes show it (container.c). */
struct container {
    struct state_dir dir;
    struct state state;
    enum state_status status;
};
int container_open(const struct cli *cli, const char *id, struct container *ret, struct err *err);
/* The same, locked against other verbs that change it. */
int container_open_locked(const struct cli *cli, const char *id, struct container *ret,
                          struct err *err);
void container_close(struct container *c);
void container_refresh(struct container *c); /* status again */

/* Connection to the container's monitor; -ENOENT or -ECONNREFUSED with a sentence: it is dead. */
int container_connect(const struct cli *cli, const struct container *c, struct err *err);

/* One request about this container; t may be NULL, its id is filled in. ret may be NULL. */
int container_request(const struct cli *cli, const struct container *c, uint16_t type,
                      struct ipc_target *t, uint32_t timeout_ms, struct ipc_reply *ret,
                      struct err *err);

/* Kill whatever is left, free everything that create recorded, remove the directory. Idempotent;
 * works without a monitor, and with a half-written state (clean.c); force: also without a back-end
 * that could say whether the VM still runs. The container is locked. */
int container_clean(const struct cli *cli, struct container *c, const char *id, bool force,
                    struct err *err);

#endif
