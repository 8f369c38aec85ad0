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
    struct strv left; /* ids of containers here that no VM belongs to any more */
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

/* The same for things that have no names of their own. */
static void tell_count(struct gc *g, const char *what, unsigned n, const char *where)
{
    struct json_object *o;

    if (!g->json) {
        printf("removed %s: %u in '%s'\n", what, n, where);
        return;
    }
    o = json_object_new_object();
    json_object_object_add(o, "kind", json_object_new_string(what));
    json_object_object_add(o, "name", json_object_new_string(where));
    json_object_object_add(o, "count", json_object_new_int64(n));
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
        state_dir_lock(&c.dir, deadline_in_ms(GC_LOCK_MS), NULL) < 0)
        return;
    r = state_read(&c.dir, &c.state, &err);
    /* Without a state the create died at once: we hold its lock, so it is no longer at work. */
    if (r < 0)
        damaged_recover(g->cli, id, &c);
    else
        container_refresh(&c);
    if (r == 0 && !is_left_over(g, &c)) {
        if (!owns_vm(&c))
            strv_add(&g->left, id);
        return;
    }
    err = (struct err)ERR_INIT;
    if (container_clean(g->cli, &c, id, true, &err) < 0) {
        strv_add(&g->left, id);
        complain(g, id, &err);
    } else {
        tell(g, "container", id);
    }
}

/* Until then its VM has no reference, or that of one that could not be cloned. */
static bool is_made(struct state_dir *d)
{
    struct state state = {0};
    bool made = state_read(d, &state, NULL) == 0 && state.creator.pid == 0;

    state_done(&state);
    return made;
}

/* References to the VMs of the state directories in dir, but for those excepted, and the names of
 * those that are being made. Other names say nothing: another root may have the same. */
static void note_vms(const char *dir, const struct strv *except, struct strv *known)
{
    cleanup_call(strv_done) struct strv ids = {0};

    (void)state_list(dir, &ids, NULL);
    for (size_t i = 0; i < ids.n; i++) {
        cleanup_call(state_dir_close) struct state_dir d = {-1, NULL};
        cleanup_free char *ref = NULL;

        if (strv_has(except, ids.v[i]) || state_dir_open(dir, ids.v[i], &d, NULL) < 0)
            continue;
        if (!is_made(&d))
            strv_add(known, ids.v[i]);
        if (state_vm_read(d.fd, &ref, NULL) == 0)
            strv_add(known, ref);
    }
}

/* Engines have roots of their own, and a back-end lists the VMs of all of them. What makes a
 * template is no root's. */
static void find_roots(const struct gc *g, struct strv *roots, struct strv *known)
{
    cleanup_dir DIR *d = opendir(layout_vm_dir());
    struct dirent *e;

    strv_add(roots, g->cli->root);
    while (d && (e = readdir(d))) {
        cleanup_free char *run_dir = path_join(layout_vm_dir(), e->d_name);
        cleanup_free char *owner = e->d_name[0] == '.' ? NULL : run_dir_written_owner(run_dir);
        char *slash = owner ? strrchr(owner, '/') : NULL;

        if (!slash)
            continue;
        if (str_starts_with(e->d_name, BUILDER_PREFIX) && access(owner, F_OK) == 0)
            strv_add(known, slash + 1);
        *slash = '\0';
        if ((slash = strrchr(owner, '/')) && strcmp(slash + 1, POOL_DIR) == 0)
            *slash = '\0';
        if (!strv_has(roots, owner))
            strv_add(roots, owner);
    }
}

/*
 * All VMs that belong to somebody, asked after the hypervisor was: who was listed has its directory
 * by then. One that is taken from a pool goes from the pool's directory to the root, so that is the
 * order of looking.
 */
static void find_known(const struct gc *g, struct strv *known)
{
    cleanup_call(strv_done) struct strv roots = {0};
    const struct strv none = {0};

    find_roots(g, &roots, known);
    for (size_t i = 0; i < roots.n; i++) {
        cleanup_free char *pool = path_join(roots.v[i], POOL_DIR);

        note_vms(pool, &none, known);
        note_vms(roots.v[i], i == 0 ? &g->left : &none, known);
    }
}

struct vms {
    struct strv ids, refs;
};

static int note_vm(void *ctx, const struct hvp_vm_info *info)
{
    struct vms *vms = ctx;

    strv_add(&vms->ids, info->id);
    strv_add(&vms->refs, info->ref);
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

static void remove_vm(struct gc *g, struct plugin *p, const char *id, const char *ref)
{
    struct err err = ERR_INIT;

    if (destroy(p, ref, &err) < 0)
        complain(g, id, &err);
    else
        tell(g, "VM", id);
    if (damaged_remove_run_dirs(id, &err) < 0)
        complain(g, id, &err);
}

/* VMs that an external VMM runs for us and no state directory knows. */
static void collect_vms(struct gc *g, const struct descriptor *d)
{
    cleanup_call(strv_done) struct strv known = {0};
    struct vms vms = {0};
    cleanup_free char *guest_dir = NULL;
    struct err err = ERR_INIT;
    struct plugin *p = NULL;
    struct hvp_host host;

    if (plugin_host_fits(d, NULL) < 0)
        return; /* nor can it have left any */
    choice_host(g->cli, d->arch, &host, &guest_dir);
    if (plugin_open(d, &host, &p, &err) < 0 || plugin_vm_list(p, note_vm, &vms, VM_MS, &err) < 0)
        complain(g, d->name, &err);
    find_known(g, &known);
    for (size_t i = 0; p && i < vms.ids.n; i++)
        if (!strv_has(&known, vms.ids.v[i]) && !strv_has(&known, vms.refs.v[i]))
            remove_vm(g, p, vms.ids.v[i], vms.refs.v[i]);
    plugin_close(p);
    strv_done(&vms.ids);
    strv_done(&vms.refs);
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
    unsigned n = template_sweep(c->templates.dir, &limits, NULL);

    collect_builders();
    if (n > 0)
        tell_count(g, "templates", n, c->templates.dir);
}

static void collect_pool(struct gc *g, const struct config *c)
{
    unsigned n = pool_sweep(g->cli, c);

    if (n > 0)
        tell_count(g, "VMs of the pool", n, g->cli->root);
}

static int collect_external(struct gc *g, struct err *err)
{
    cleanup_call(choice_done) struct choice c = {0};
    int r;

    if ((r = choice_load(g->cli, &c, err)) < 0)
        return r;
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
    strv_done(&g.left);
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
