/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs `pool fill`, `pool status` and `pool drain`. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/timing.h"
#include "cli/pool/pool.h"
#include "cli/view/bundle.h"

#define DRAIN_LOCK_MS 5000 /* for who takes one to have it */

/* Only what it asks of a VM counts. */
static int decide(struct creation *c, struct err *err)
{
    const char *why;
    int r = creation_prepare(c, err);

    if (r == 0 && !pool_possible(c, &why))
        r = err_set_phase(err, PHASE_POLICY, EINVAL, "no VM can wait for '%s': %s", c->bundle, why);
    return r;
}

/* Without a bundle it is that of `anyvisor spec`: it asks for nothing, and --class names a class.
 */
static int decide_by_class(struct creation *c, struct err *err)
{
    char dir[] = "/tmp/anyvisor-pool.XXXXXX";
    int r;

    if (!mkdtemp(dir))
        return err_set(err, errno, "make '%s': %m", dir);
    c->bundle = dir;
    r = view_bundle_make(dir, NULL, choice_host_arch(), "/dev/null", NULL, err);
    if (r == 0)
        r = decide(c, err);
    c->bundle = NULL;
    (void)path_remove_tree(AT_FDCWD, dir, NULL);
    return r;
}

static int fill(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    cleanup_call(creation_done) struct creation c = CREATION_INIT;
    cleanup_free char *text = NULL;
    unsigned made;
    int r;

    (void)options;
    c.cli = cli;
    c.id = "pool";
    c.bundle = argc ? argv[0] : NULL;
    if ((r = argc ? decide(&c, err) : decide_by_class(&c, err)) < 0 ||
        (r = pool_fill(&c, c.choice.decision.pool.size, &made, err)) < 0)
        return r;
    text = xasprintf("%u made", made);
    return cli_print(text, err);
}

struct status_options {
    const char *format;
};

static const struct option_row status_rows[] = {
    {"format", 'f', OPTION_TEXT, offsetof(struct status_options, format), "FORMAT",
     "table or json"},
};

static uint64_t age(const struct pool_member *m)
{
    uint64_t now = realtime_s();

    return m->made && now > m->made ? now - m->made : 0;
}

static void add_json(json_object *list, const struct pool_member *m, const char *state)
{
    const struct state *s = &m->c.state;
    json_object *o = json_object_new_object();
    struct proc_id monitor = {0};

    (void)state_monitor_read(m->c.dir.fd, &monitor, NULL);
    json_object_object_add(o, "name", json_object_new_string(m->name));
    json_object_object_add(o, "class", json_object_new_string(s->class_name ? s->class_name : ""));
    json_object_object_add(o, "state", json_object_new_string(state));
    json_object_object_add(o, "age_s", json_object_new_uint64(age(m)));
    json_object_object_add(o, "vcpus", json_object_new_int64(s->vm_vcpus));
    json_object_object_add(o, "memory", json_object_new_uint64(s->vm_memory));
    json_object_object_add(o, "monitor", json_object_new_int64(monitor.pid));
    json_object_array_add(list, o);
}

static void print_row(const struct pool_member *m, const char *state)
{
    const struct state *s = &m->c.state;

    printf("%-22s %-8s %8" PRIu64 "s %2u vCPU %6" PRIu64 "M  %s\n", m->name, state, age(m),
           s->vm_vcpus, s->vm_memory / MIB, s->class_name ? s->class_name : "");
}

static void show(const struct pool *p, const struct config *config, const char *name,
                 json_object *list)
{
    cleanup_call(pool_member_close) struct pool_member m = POOL_MEMBER_INIT;
    const char *state;

    if (pool_member_open(p, name, false, &m, NULL) < 0)
        return; /* taken meanwhile */
    state = pool_state_name(pool_member_look(&m, config));
    if (list)
        add_json(list, &m, state);
    else
        print_row(&m, state);
}

/* Why a pool is emptier than it should be. */
static void print_failures(const struct pool *p, const struct config *config)
{
    cleanup_free char *of_rest = pool_failure(p, POLICY_CLASS_DEFAULT);

    if (of_rest)
        printf("class '" POLICY_CLASS_DEFAULT "': %s\n", of_rest);
    for (size_t i = 0; i < config->n_classes; i++) {
        cleanup_free char *text = pool_failure(p, config->classes[i].name);

        if (text)
            printf("class '%s': %s\n", config->classes[i].name, text);
    }
}

static int status(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct status_options *o = options;
    cleanup_call(choice_done) struct choice c = {0};
    cleanup_call(pool_close) struct pool p = {.dir = NULL};
    cleanup_call(strv_done) struct strv names = {0};
    json_object *root = NULL;
    bool json;
    int r;

    (void)argc;
    (void)argv;
    pool_open(cli, &p);
    if ((r = cli_format(o->format, &json, err)) < 0 || (r = choice_load(cli, &c, err)) < 0 ||
        (r = state_list(p.dir, &names, err)) < 0)
        return r;
    if (json)
        root = json_object_new_array();
    else
        printf("%-22s %-8s %9s %7s %7s  %s\n", "NAME", "STATE", "AGE", "VCPUS", "MEMORY", "CLASS");
    for (size_t i = 0; i < names.n; i++)
        show(&p, &c.config, names.v[i], root);
    if (json)
        r = cli_print(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY |
                                                               JSON_C_TO_STRING_NOSLASHESCAPE),
                      err);
    else
        print_failures(&p, &c.config);
    json_object_put(root);
    return r;
}

static int drain_one(const struct pool *p, const char *name, struct err *err)
{
    cleanup_call(pool_member_close) struct pool_member m = POOL_MEMBER_INIT;
    uint64_t deadline = deadline_in_ms(DRAIN_LOCK_MS);
    int r = pool_member_open(p, name, false, &m, err);
    const char *cls = m.c.state.class_name;

    if (r == 0 && p->cli.cls && (!cls || strcmp(cls, p->cli.cls) != 0))
        return 0;
    if (r == 0)
        r = state_dir_lock(&m.c.dir, deadline, err);
    return r < 0 ? r : pool_member_drop(p, &m, err);
}

/* What is left when nobody waits any more; rmdir fails if somebody begins to fill it. */
static void remove_rest(const struct pool *p)
{
    cleanup_call(strv_done) struct strv left = {0};
    cleanup_dir DIR *d = opendir(p->dir);
    struct dirent *e;

    if (!d || state_list(p->dir, &left, NULL) < 0 || left.n)
        return;
    while ((e = readdir(d)))
        if (strcmp(e->d_name, POOL_LOG) == 0 || str_starts_with(e->d_name, POOL_FAILED))
            (void)unlinkat(dirfd(d), e->d_name, 0);
    (void)rmdir(p->dir);
}

static int drain(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    cleanup_call(pool_close) struct pool p = {.dir = NULL};
    cleanup_call(pool_locks_done) struct pool_locks locks = {.fds = NULL};
    cleanup_call(strv_done) struct strv names = {0};
    int r, failed = 0;

    (void)options;
    (void)argc;
    (void)argv;
    pool_open(cli, &p);
    if ((r = pool_stop_fillers(&p, &locks, err)) < 0 || (r = state_list(p.dir, &names, err)) < 0)
        return r;
    for (size_t i = 0; i < names.n; i++)
        if ((r = drain_one(&p, names.v[i], err)) < 0 && r != -ENOENT)
            failed = r;
    pool_locks_remove(&p, &locks);
    remove_rest(&p);
    return failed;
}

const struct verb verb_pool_fill = {
    .name = "pool fill",
    .arguments = "[BUNDLE]",
    .summary = "make VMs like that of a bundle, which wait for containers",
    .max_args = 1,
    .run = fill,
};

const struct verb verb_pool_status = {
    .name = "pool status",
    .arguments = "",
    .summary = "list the VMs that wait for containers",
    .options = {status_rows, ARRAY_SIZE(status_rows)},
    .size = sizeof(struct status_options),
    .run = status,
};

const struct verb verb_pool_drain = {
    .name = "pool drain",
    .arguments = "",
    .summary = "end the VMs that wait for containers",
    .run = drain,
};
