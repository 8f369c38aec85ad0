/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/timing.h"
#include "cli/creation/choice.h"
#include "cli/creation/from_template.h"
#include "cli/lifecycle.h"
#include "cli/pool/pool.h"
#include "storage/images.h"
#include "template/template.h"

#define GC_LOCK_MS 200 /* whoever holds it longer is at work */
#define VM_MS 20000

struct gc_options {
    const char *format;
    bool all;
};

#define O(member) offsetof(struct gc_options, member)
static const struct option_row rows[] = {
    {"all", 'a', OPTION_FLAG, O(all), NULL, "also containers that stopped and wait for 'delete'"},
    {"format", 'f', OPTION_TEXT, O(format), "FORMAT", "table or json"},
};

struct gc {
    const struct cli *cli;
    struct json_object *removed; /* for --format json */
    bool json, all;
    int failures;
    struct strv known; /* ids whose VM is not to be touched */
};

static void tell(struct gc *g, const char *what, const char *name)
{
    struct json_object *o;

    if (!g->json) {
        printf("removed %s '%s'\n", what, name);
        return;
    }
    o = json_object_new_object();
    json_object_object_add(o, "kind", json_object_new_string(what));
    json_object_object_add(o, "name", json_object_new_string(name));
    json_object_array_add(g->removed, o);
}

static void complain(struct gc *g, const char *name, const struct err *err)
{
    fprintf(stderr, "anyvisor: gc: '%s': %s\n", name, err->msg);
    g->failures++;
}

static bool monitor_alive(const struct container *c)
{
    struct proc_id monitor;

    return state_monitor_read(c->dir.fd, &monitor, NULL) == 0 && proc_alive(&monitor);
}

/* A VM of the pool, whose monitor was not told of the container before its creator died. */
static bool waits_still(const struct container *c)
{
    return faccessat(c->dir.fd, POOL_FACTS, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/*
 * What a crash has left: nobody is there who would end it, neither process nor creator nor monitor.
 * One that stopped in the ordinary way belongs to its engine, which will ask for its exit status
 * and delete it.
 */
static bool is_left_over(const struct gc *g, const struct container *c)
{
    enum state_status written;

    if (c->state.creator.pid && !proc_alive(&c->state.creator) && waits_still(c))
        return true;
    if (c->status != STATE_STOPPED || (c->state.creator.pid && proc_alive(&c->state.creator)) ||
        monitor_alive(c))
        return false;
    if (g->all || c->state.creator.pid)
        return true;
    return state_status_read(c->dir.fd, &written, NULL, NULL) < 0 || written != STATE_STOPPED;
}

/* A VM that outlived its stopped container and its monitor has no owner, directory or not. */
static bool owns_vm(const struct container *c)
{
    return c->status != STATE_STOPPED || monitor_alive(c);
}

static void collect(struct gc *g, const char *id)
{
    cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};
    struct err err = ERR_INIT;
    int r;

    if (state_dir_open(g->cli->root, id, &c.dir, NULL) < 0 ||
        state_dir_lock(&c.dir, deadline_in_ms(GC_LOCK_MS), NULL) < 0) {
        strv_add(&g->known, id);
        return;
    }
    r = state_read(&c.dir, &c.state, &err);
    /* Without a state the create died at once: we hold its lock, so it is no longer at work. */
    if (r < 0)
        damaged_recover(g->cli, id, &c);
    else
        container_refresh(&c);
    if (r == 0 && !is_left_over(g, &c)) {
        if (owns_vm(&c))
            strv_add(&g->known, id);
        return;
    }
    err = (struct err)ERR_INIT;
    if (container_clean(g->cli, &c, id, true, &err) < 0)
        complain(g, id, &err);
    else
        tell(g, "container", id);
}

/* Engines have roots of their own, and a back-end lists the VMs of all of them. */
static void note_other_roots(struct gc *g)
{
    cleanup_dir DIR *d = opendir(layout_vm_dir());
    size_t len = strlen(g->cli->root);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        cleanup_free char *run_dir = path_join(layout_vm_dir(), e->d_name);
        cleanup_free char *owner = e->d_name[0] == '.' ? NULL : run_dir_owner(run_dir);

        if (owner &&
            !(strncmp(owner, g->cli->root, len) == 0 && owner + len == strrchr(owner, '/')))
            strv_add(&g->known, strrchr(owner, '/') + 1);
    }
}

struct orphans {
    const struct strv *known;
    struct strv ids, refs;
};

static int note_vm(void *ctx, const struct hvp_vm_info *info)
{
    struct orphans *o = ctx;

    if (!strv_has(o->known, info->id)) {
        strv_add(&o->ids, info->id);
        strv_add(&o->refs, info->ref);
    }
    return 0;
}

static int destroy(struct plugin *p, const char *ref, struct err *err)
{
    struct plugin_vm *vm = NULL;
    int r = plugin_vm_reopen(p, ref, VM_MS, &vm, err);

    if (r == 0)
        r = plugin_vm_destroy(vm, VM_MS, err);
    plugin_vm_close(vm);
    return r == -ENOENT ? 0 : r;
}

/* VMs that an external VMM runs for us and no state directory knows. */
static void collect_vms(struct gc *g, const struct descriptor *d)
{
    struct orphans o = {.known = &g->known};
    cleanup_free char *guest_dir = NULL;
    struct err err = ERR_INIT;
    struct plugin *p = NULL;
    struct hvp_host host;

    if (plugin_host_fits(d, NULL) < 0)
        return; /* nor can it have left any */
    choice_host(g->cli, d->arch, &host, &guest_dir);
    if (plugin_open(d, &host, &p, &err) < 0 || plugin_vm_list(p, note_vm, &o, VM_MS, &err) < 0)
        complain(g, d->name, &err);
    for (size_t i = 0; p && i < o.ids.n; i++) {
        if (destroy(p, o.refs.v[i], &err) < 0)
            complain(g, o.ids.v[i], &err);
        else
            tell(g, "VM", o.ids.v[i]);
        if (damaged_remove_run_dirs(o.ids.v[i], &err) < 0)
            complain(g, o.ids.v[i], &err);
    }
    plugin_close(p);
    strv_done(&o.ids);
    strv_done(&o.refs);
}

/* Of templates whose making was killed: the directory that they name is gone with the sweep. */
static void collect_builders(void)
{
    cleanup_dir DIR *d = opendir(layout_vm_dir());
    struct dirent *e;

    while (d && (e = readdir(d))) {
        cleanup_free char *run_dir = path_join(layout_vm_dir(), e->d_name);
        cleanup_free char *owner =
            str_starts_with(e->d_name, BUILDER_PREFIX) ? run_dir_owner(run_dir) : NULL;

        if (owner && access(owner, F_OK) < 0 && errno == ENOENT)
            (void)path_remove_tree(AT_FDCWD, run_dir, NULL);
    }
}

static void collect_templates(struct gc *g, const struct config *c)
{
    const struct template_limits limits = {c->templates.max_age_s, c->templates.max_uses,
                                           c->templates.max_size};
    cleanup_free char *count = NULL;
    unsigned n = template_sweep(c->templates.dir, &limits, NULL);

    collect_builders();
    if (n == 0)
        return;
    count = xasprintf("%u of '%s'", n, c->templates.dir);
    tell(g, "templates", count);
}

static void collect_pool(struct gc *g, const struct config *c)
{
    unsigned n = pool_sweep(g->cli, c);
    cleanup_free char *count = xasprintf("%u", n);

    if (n)
        tell(g, "VMs of the pool", count);
}

static int collect_external(struct gc *g, struct err *err)
{
    cleanup_call(choice_done) struct choice c = {0};
    int r;

    if ((r = choice_load(g->cli, &c, err)) < 0)
        return r;
    note_other_roots(g);
    storage_cache_sweep(c.config.cache.dir);
    collect_templates(g, &c.config);
    collect_pool(g, &c.config);
    c.look_only = true; /* what needs a module that is not there has no VM */
    for (size_t i = 0; i < c.descriptors.n; i++) {
        choice_probe(g->cli, &c, i);
        if (c.probed[i].usable && (c.probed[i].info.caps.flags & HVP_CAP_VMM_EXTERNAL))
            collect_vms(g, &c.descriptors.v[i]);
    }
    return 0;
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct gc_options *o = options;
    cleanup_call(strv_done) struct strv ids = {0};
    struct gc g = {.cli = cli, .all = o->all};
    int r;

    (void)argc;
    (void)argv;
    if ((r = cli_format(o->format, &g.json, err)) < 0 || (r = state_list(cli->root, &ids, err)) < 0)
        return r;
    g.removed = json_object_new_array();
    for (size_t i = 0; i < ids.n; i++)
        collect(&g, ids.v[i]);
    r = collect_external(&g, err);
    if (g.json)
        (void)cli_print(json_object_to_json_string_ext(g.removed, JSON_C_TO_STRING_NOSLASHESCAPE),
                        NULL);
    json_object_put(g.removed);
    strv_done(&g.known);
    if (r == 0 && g.failures)
        r = err_set(err, EIO, "gc: %d thing%s could not be removed", g.failures,
                    g.failures == 1 ? "" : "s");
    return r;
}

const struct verb verb_gc = {
    .name = "gc",
    .arguments = "",
    .summary = "remove what crashes have left of containers, and VMs that nobody owns",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct gc_options),
    .run = run,
};
