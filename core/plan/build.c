/* SPDX-License-Identifier: Apache-2.0 */
/* The whole plan: names, namespaces, users, paths, sysctl, hooks; the large parts have their files.
 */
#include <errno.h>
#include <stdlib.h>
#include <linux/mount.h>
#include "base/cleanup.h"
#include "oci/tables.h"
#include "plan/internal.h"

void plan_shares_done(struct plan_shares *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->v[i].host_path);
        free(s->v[i].name);
    }
    free(s->v);
    strv_done(&s->warnings);
    memset(s, 0, sizeof(*s));
}

const struct plan_disk *builder_disk(const struct builder *b, enum plan_disk_use use, size_t index)
{
    for (size_t i = 0; i < b->in->n_disks; i++)
        if (b->in->disks[i].use == use && b->in->disks[i].index == index)
            return &b->in->disks[i];
    return NULL;
}

static const enum plan_ns plan_ns_of[] = {
    [OCI_NS_PID] = PLAN_NS_PID,   [OCI_NS_NETWORK] = PLAN_NS_NET, [OCI_NS_IPC] = PLAN_NS_IPC,
    [OCI_NS_UTS] = PLAN_NS_UTS,   [OCI_NS_MOUNT] = PLAN_NS_MNT,   [OCI_NS_CGROUP] = PLAN_NS_CGROUP,
    [OCI_NS_USER] = PLAN_NS_USER,
};

/* The VM's network namespace is the sandbox's on the host: another one lies within the VM. */
static void set_network(struct builder *b)
{
    const struct oci_namespace *ns = &b->spec->linux_.ns[OCI_NS_NETWORK];
    cleanup_free char *id = NULL;

    b->c->ns[PLAN_NS_NET] = PLAN_NS_VM;
    if (!b->in->sandbox || !ns->listed)
        return;
    if (!ns->path) {
        b->c->ns[PLAN_NS_NET] = PLAN_NS_NEW;
    } else if (b->in->resolve_ns && b->in->resolve_ns(b->in->ctx, ns->path, &id) == 0 &&
               strcmp(id, b->in->sandbox) != 0) {
        b->c->ns[PLAN_NS_NET] = PLAN_NS_JOIN;
        b->c->join[PLAN_NS_NET] = steal_ptr(&id);
    }
}

/* New when listed; a path means another container of the same VM, if it is one. */
static int set_namespace(struct builder *b, enum oci_ns_kind kind)
{
    const struct oci_namespace *ns = &b->spec->linux_.ns[kind];
    enum plan_ns to = plan_ns_of[kind];
    int r;

    if (kind == OCI_NS_NETWORK) {
        set_network(b);
        return 0;
    }
    b->c->ns[to] = ns->listed ? PLAN_NS_NEW : PLAN_NS_VM;
    if (kind == OCI_NS_MOUNT)
        b->c->ns[to] = PLAN_NS_NEW; /* the container's root is made in it */
    if (!ns->path || kind == OCI_NS_MOUNT || !b->in->resolve_ns)
        return 0;
    r = b->in->resolve_ns(b->in->ctx, ns->path, &b->c->join[to]);
    if (r == 0)
        b->c->ns[to] = PLAN_NS_JOIN;
    if (r < 0 && r != -ENOENT)
        return err_set_phase(b->err, PHASE_CONFIG, -r,
                             "config.json: linux.namespaces: cannot join '%s': %m", ns->path);
    return 0;
}

static void copy_maps(const struct oci_idmaps *from, struct plan_idmap **ret, size_t *ret_n)
{
    for (size_t i = 0; i < from->n; i++) {
        struct plan_idmap *m = APPEND(*ret, *ret_n);

        *m = (struct plan_idmap){from->v[i].container_id, from->v[i].host_id, from->v[i].size};
    }
}

static int set_user_namespace(struct builder *b)
{
    const struct oci_linux *l = &b->spec->linux_;

    if (b->c->ns[PLAN_NS_USER] != PLAN_NS_NEW)
        return 0;
    if (l->uid_map.n == 0 || l->gid_map.n == 0)
        return err_set_phase(b->err, PHASE_CONFIG, EINVAL,
                             "config.json: linux: a new user namespace needs uidMappings and "
                             "gidMappings");
    copy_maps(&l->uid_map, &b->c->uid_map, &b->c->n_uid_map);
    copy_maps(&l->gid_map, &b->c->gid_map, &b->c->n_gid_map);
    return 0;
}

static int set_namespaces(struct builder *b)
{
    int r;

    for (int i = 0; i < OCI_NS_TIME; i++)
        if ((r = set_namespace(b, (enum oci_ns_kind)i)) < 0)
            return r;
    if (b->spec->linux_.ns[OCI_NS_TIME].listed)
        strv_add(b->warnings, "linux.namespaces: time namespaces are not supported, ignoring");
    return set_user_namespace(b);
}

static int set_names(struct builder *b)
{
    const struct oci_spec *s = b->spec;
    bool own = b->c->ns[PLAN_NS_UTS] != PLAN_NS_VM;

    if (!own && ((s->hostname && *s->hostname) || (s->domainname && *s->domainname)))
        return err_set_phase(b->err, PHASE_CONFIG, EINVAL,
                             "config.json: hostname: unable to set hostname without a private UTS "
                             "namespace");
    if (s->hostname && *s->hostname)
        b->c->hostname = xstrdup(s->hostname);
    if (s->domainname && *s->domainname)
        b->c->domainname = xstrdup(s->domainname);
    return 0;
}

static int set_root_propagation(struct builder *b)
{
    const char *name = b->spec->linux_.rootfs_propagation;
    const struct oci_mount_option *o;

    if (!name || !*name)
        return 0;
    o = oci_mount_option_find(name);
    if (!o || o->kind != OCI_MO_PROPAGATION)
        return err_set_phase(b->err, PHASE_CONFIG, EINVAL,
                             "config.json: linux.rootfsPropagation: '%s' is unknown", name);
    b->c->root_propagation = o->bits;
    return 0;
}

static int copy_paths(struct builder *b, const char *key, const struct strv *from,
                      struct plan_list *ret)
{
    for (size_t i = 0; i < from->n; i++)
        if (from->v[i][0] != '/')
            return err_set_phase(b->err, PHASE_CONFIG, EINVAL,
                                 "config.json: linux.%s[%zu]: '%s' is not an absolute path", key, i,
                                 from->v[i]);
    if (from->n > 0)
        list_from_strv(from, ret);
    return 0;
}

/* Those that a namespace of the container has for itself; the others are the whole VM's. */
static bool sysctl_is_own(const char *name)
{
    static const char *const exact[] = {
        "kernel.msgmax",     "kernel.msgmnb",   "kernel.msgmni", "kernel.sem",
        "kernel.shmall",     "kernel.shmmax",   "kernel.shmmni", "kernel.shm_rmid_forced",
        "kernel.domainname", "kernel.hostname",
    };

    for (size_t i = 0; i < ARRAY_SIZE(exact); i++)
        if (strcmp(exact[i], name) == 0)
            return true;
    return str_starts_with(name, "net.") || str_starts_with(name, "fs.mqueue.");
}

/* Names come with dots or with slashes; with slashes a dot is part of a name (eth0.100). */
static int set_sysctl(struct builder *b, const struct kv *s)
{
    struct plan_pair *p;
    cleanup_free char *dotted = xstrdup(s->key);

    if (strcspn(dotted, "/") < strcspn(dotted, "."))
        for (char *c = dotted; *c; c++)
            *c = *c == '/' ? '.' : *c;
    if (strstr(s->key, "..") || s->key[0] == '/' || s->key[0] == '.')
        return err_set_phase(b->err, PHASE_CONFIG, EINVAL,
                             "config.json: linux.sysctl: '%s' is not a name", s->key);
    if (!sysctl_is_own(dotted))
        return err_set_phase(b->err, PHASE_CONFIG, EINVAL,
                             "config.json: linux.sysctl: '%s' is not in a separate kernel "
                             "namespace",
                             s->key);
    p = APPEND(b->c->sysctl, b->c->n_sysctl);
    p->key = xstrdup(s->key);
    p->value = xstrdup(s->value);
    return 0;
}

static void set_hooks(struct builder *b)
{
    const struct oci_hooks *hooks = &b->spec->hooks[OCI_HOOK_START_CONTAINER];

    for (size_t i = 0; i < hooks->n; i++) {
        struct plan_hook *h = APPEND(b->c->hooks, b->c->n_hooks);
        struct strv only_path = {&hooks->v[i].path, 1};

        h->path = xstrdup(hooks->v[i].path);
        list_from_strv(hooks->v[i].args.n > 0 ? &hooks->v[i].args : &only_path, &h->args);
        list_from_strv(&hooks->v[i].env, &h->env);
        h->timeout_s = hooks->v[i].timeout_s;
    }
    if (hooks->n > 0)
        b->c->state = xstrdup(b->in->state_json);
}

static int set_paths_and_sysctl(struct builder *b)
{
    const struct oci_linux *l = &b->spec->linux_;
    int r;

    if ((r = copy_paths(b, "maskedPaths", &l->masked_paths, &b->c->masked)) < 0 ||
        (r = copy_paths(b, "readonlyPaths", &l->readonly_paths, &b->c->readonly)) < 0)
        return r;
    for (size_t i = 0; i < l->sysctl.n; i++)
        if ((r = set_sysctl(b, &l->sysctl.v[i])) < 0)
            return r;
    return 0;
}

/* A rule for a block device by its number on the host is one for the disk that it became. */
static void name_disks_in_rules(struct builder *b)
{
    const struct oci_linux *l = &b->spec->linux_;

    for (size_t i = 0; i < l->n_devices; i++) {
        const struct plan_disk *disk = builder_disk(b, PLAN_DISK_DEVICE, i);

        for (size_t k = 0; disk && k < b->c->cgroup.n_rules; k++) {
            struct plan_device_rule *rule = &b->c->cgroup.rules[k];

            if (rule->type == 'b' && rule->major == l->devices[i].major &&
                rule->minor == l->devices[i].minor && !rule->disk)
                rule->disk = xstrdup(disk->tag);
        }
    }
}

static int set_cgroup(struct builder *b)
{
    const struct oci_resources *res = &b->spec->linux_.resources;
    int r = plan_cgroup_build(res, b->in, &b->c->cgroup, b->warnings, b->err);

    if (r < 0)
        return err_wrap(b->err, "config.json");
    build_device_rules(res, &b->c->cgroup);
    name_disks_in_rules(b);
    return 0;
}

static void note_ignored(struct builder *b)
{
    const struct oci_linux *l = &b->spec->linux_;

    if (l->mount_label && *l->mount_label)
        strv_add(b->warnings, "linux.mountLabel: the guest has no SELinux, ignoring");
    if (l->personality && strcmp(l->personality, "LINUX") != 0)
        strv_addf(b->warnings, "linux.personality '%s' is not supported, ignoring", l->personality);
}

static int build_all(struct builder *b)
{
    int r;

    b->c->id = xstrdup(b->in->id);
    if (b->spec->rootfs_readonly)
        b->c->flags |= PLAN_C_READONLY;
    if ((r = set_namespaces(b)) < 0 || (r = set_names(b)) < 0 ||
        (r = set_root_propagation(b)) < 0 || (r = build_mounts(b)) < 0 ||
        (r = build_devices(b)) < 0 || (r = set_paths_and_sysctl(b)) < 0 || (r = set_cgroup(b)) < 0)
        return r;
    set_hooks(b);
    note_ignored(b);
    return plan_process_build(&b->spec->process, b->spec, b->in, &b->c->process, b->warnings,
                              b->err);
}

int plan_build(const struct oci_spec *spec, const struct plan_input *in, struct plan_container *ret,
               struct plan_shares *ret_shares, struct err *err)
{
    struct plan_container c = {0};
    struct plan_shares shares = {0};
    struct builder b = {spec, in, &c, &shares, &shares.warnings, err};
    int r = build_all(&b);

    if (r < 0) {
        plan_container_done(&c);
        plan_shares_done(&shares);
        return r;
    }
    *ret = c;
    *ret_shares = shares;
    return 0;
}
