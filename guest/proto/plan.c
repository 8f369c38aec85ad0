/* SPDX-License-Identifier: Apache-2.0 */
/* The tables are the format: never change or reuse a tag, add new ones at the end. */
#include "proto/plan.h"
#include "proto/codec.h"
#include "proto/plan_codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECCOMP_BYTES_MAX (4096u * 8u) /* BPF_MAXINSNS filters of 8 bytes */

static const struct codec_field rlimit_fields[] = {
    CODEC_F(1, U32, struct plan_rlimit, resource),
    CODEC_F(2, U64, struct plan_rlimit, soft),
    CODEC_F(3, U64, struct plan_rlimit, hard),
};
static const struct codec rlimit_codec = CODEC_OF(struct plan_rlimit, rlimit_fields, NULL);

static int process_check(const void *obj)
{
    const struct plan_process *p = obj;

    return p->seccomp_len % 8 || p->seccomp_len > SECCOMP_BYTES_MAX ? -EPROTO : 0;
}

static const struct codec_field process_fields[] = {
    CODEC_F(1, LIST, struct plan_process, args),
    CODEC_F(2, LIST, struct plan_process, env),
    CODEC_F(3, STR, struct plan_process, cwd),
    CODEC_F(4, U32, struct plan_process, uid),
    CODEC_F(5, U32, struct plan_process, gid),
    CODEC_F(6, U32, struct plan_process, umask),
    CODEC_FN(7, U32S, struct plan_process, gids, n_gids),
    CODEC_F(8, U32, struct plan_process, flags),
    CODEC_F(9, U32, struct plan_process, rows),
    CODEC_F(10, U32, struct plan_process, cols),
    CODEC_F(11, I32, struct plan_process, oom_score_adj),
    CODEC_FFIX(12, U64, struct plan_process, caps, PLAN_CAP_SETS),
    CODEC_FSUBS(13, struct plan_process, rlimits, n_rlimits, &rlimit_codec),
    CODEC_FN(14, BYTES, struct plan_process, seccomp, seccomp_len),
    CODEC_F(15, U32, struct plan_process, seccomp_flags),
};
const struct codec plan_process_codec =
    CODEC_OF(struct plan_process, process_fields, process_check);

static int mount_check(const void *obj)
{
    const struct plan_mount *m = obj;

    if (m->kind < PLAN_M_FS || m->kind > PLAN_M_NFS || !m->dest)
        return -EPROTO;
    if (m->kind == PLAN_M_FS && !m->type)
        return -EPROTO;
    if (m->kind != PLAN_M_FS && m->kind != PLAN_M_CGROUP && !m->source)
        return -EPROTO;
    return 0;
}

static const struct codec_field mount_fields[] = {
    CODEC_F(1, U32, struct plan_mount, kind),     CODEC_F(2, U32, struct plan_mount, flags),
    CODEC_F(3, STR, struct plan_mount, source),   CODEC_F(4, STR, struct plan_mount, dest),
    CODEC_F(5, STR, struct plan_mount, type),     CODEC_F(6, STR, struct plan_mount, data),
    CODEC_F(7, U64, struct plan_mount, ms_flags), CODEC_F(8, U64, struct plan_mount, propagation),
    CODEC_F(9, U64, struct plan_mount, attr_set), CODEC_F(10, U64, struct plan_mount, attr_clr),
    CODEC_F(11, STR, struct plan_mount, subdir),
};
static const struct codec mount_codec = CODEC_OF(struct plan_mount, mount_fields, mount_check);

static int device_check(const void *obj)
{
    const struct plan_device *d = obj;

    return d->path && (d->type == 'c' || d->type == 'b' || d->type == 'p') ? 0 : -EPROTO;
}

static const struct codec_field device_fields[] = {
    CODEC_F(1, STR, struct plan_device, path),  CODEC_F(2, U32, struct plan_device, type),
    CODEC_F(3, U32, struct plan_device, major), CODEC_F(4, U32, struct plan_device, minor),
    CODEC_F(5, U32, struct plan_device, mode),  CODEC_F(6, U32, struct plan_device, uid),
    CODEC_F(7, U32, struct plan_device, gid),   CODEC_F(8, STR, struct plan_device, disk),
};
static const struct codec device_codec = CODEC_OF(struct plan_device, device_fields, device_check);

static int rule_check(const void *obj)
{
    const struct plan_device_rule *r = obj;

    if (r->allow > 1 || (r->type != 'a' && r->type != 'c' && r->type != 'b'))
        return -EPROTO;
    return r->access > 7 || r->major < -1 || r->minor < -1 ? -EPROTO : 0;
}

static const struct codec_field rule_fields[] = {
    CODEC_F(1, U32, struct plan_device_rule, allow),
    CODEC_F(2, U32, struct plan_device_rule, type),
    CODEC_F(3, I64, struct plan_device_rule, major),
    CODEC_F(4, I64, struct plan_device_rule, minor),
    CODEC_F(5, U32, struct plan_device_rule, access),
    CODEC_F(6, STR, struct plan_device_rule, disk),
};
static const struct codec rule_codec = CODEC_OF(struct plan_device_rule, rule_fields, rule_check);

static int pair_check(const void *obj)
{
    const struct plan_pair *p = obj;

    return p->key && p->value ? 0 : -EPROTO;
}

static const struct codec_field pair_fields[] = {
    CODEC_F(1, STR, struct plan_pair, key),
    CODEC_F(2, STR, struct plan_pair, value),
};
static const struct codec pair_codec = CODEC_OF(struct plan_pair, pair_fields, pair_check);

static const struct codec_field cgroup_fields[] = {
    CODEC_FSUBS(1, struct plan_cgroup, files, n_files, &pair_codec),
    CODEC_FSUBS(2, struct plan_cgroup, rules, n_rules, &rule_codec),
};
const struct codec plan_cgroup_codec = CODEC_OF(struct plan_cgroup, cgroup_fields, NULL);

static const struct codec_field idmap_fields[] = {
    CODEC_F(1, U32, struct plan_idmap, inside),
    CODEC_F(2, U32, struct plan_idmap, outside),
    CODEC_F(3, U32, struct plan_idmap, count),
};
static const struct codec idmap_codec = CODEC_OF(struct plan_idmap, idmap_fields, NULL);

static int hook_check(const void *obj)
{
    return ((const struct plan_hook *)obj)->path ? 0 : -EPROTO;
}

static const struct codec_field hook_fields[] = {
    CODEC_F(1, STR, struct plan_hook, path),
    CODEC_F(2, LIST, struct plan_hook, args),
    CODEC_F(3, LIST, struct plan_hook, env),
    CODEC_F(4, U32, struct plan_hook, timeout_s),
};
static const struct codec hook_codec = CODEC_OF(struct plan_hook, hook_fields, hook_check);

static const struct codec_field root_fields[] = {
    CODEC_F(1, STR, struct plan_root, disk),       CODEC_F(2, STR, struct plan_root, type),
    CODEC_F(3, STR, struct plan_root, data),       CODEC_F(4, STR, struct plan_root, subdir),
    CODEC_F(5, U32, struct plan_root, flags),      CODEC_F(6, STR, struct plan_root, upper),
    CODEC_F(7, U64, struct plan_root, upper_size),
};
static const struct codec root_codec = CODEC_OF(struct plan_root, root_fields, NULL);

static int container_check(const void *obj)
{
    const struct plan_container *c = obj;

    for (size_t i = 0; i < PLAN_NS_COUNT; i++)
        if (c->ns[i] > PLAN_NS_JOIN || (c->ns[i] == PLAN_NS_JOIN && !c->join[i]))
            return -EPROTO;
    return 0;
}

static const struct codec_field container_fields[] = {
    CODEC_F(1, STR, struct plan_container, id),
    CODEC_F(2, STR, struct plan_container, rootfs),
    CODEC_F(3, STR, struct plan_container, hostname),
    CODEC_F(4, STR, struct plan_container, domainname),
    CODEC_F(5, STR, struct plan_container, state),
    CODEC_F(6, U32, struct plan_container, flags),
    CODEC_F(7, U64, struct plan_container, root_propagation),
    CODEC_FFIX(8, U8, struct plan_container, ns, PLAN_NS_COUNT),
    CODEC_FFIX(9, STR, struct plan_container, join, PLAN_NS_COUNT),
    CODEC_FSUBS(10, struct plan_container, uid_map, n_uid_map, &idmap_codec),
    CODEC_FSUBS(11, struct plan_container, gid_map, n_gid_map, &idmap_codec),
    CODEC_FSUBS(12, struct plan_container, mounts, n_mounts, &mount_codec),
    CODEC_FSUBS(13, struct plan_container, devices, n_devices, &device_codec),
    CODEC_F(14, LIST, struct plan_container, masked),
    CODEC_F(15, LIST, struct plan_container, readonly),
    CODEC_FSUBS(16, struct plan_container, sysctl, n_sysctl, &pair_codec),
    CODEC_FSUB(17, struct plan_container, cgroup, &plan_cgroup_codec),
    CODEC_FSUBS(18, struct plan_container, hooks, n_hooks, &hook_codec),
    CODEC_FSUB(19, struct plan_container, process, &plan_process_codec),
    CODEC_FSUB(20, struct plan_container, root, &root_codec),
};
static const struct codec container_codec =
    CODEC_OF(struct plan_container, container_fields, container_check);

void plan_process_done(struct plan_process *p)
{
    codec_done(&plan_process_codec, p);
}

void plan_container_done(struct plan_container *c)
{
    codec_done(&container_codec, c);
}

void plan_cgroup_done(struct plan_cgroup *c)
{
    codec_done(&plan_cgroup_codec, c);
}

void plan_process_put(struct wbuf *w, const struct plan_process *p)
{
    codec_put(w, &plan_process_codec, p);
}

void plan_container_put(struct wbuf *w, const struct plan_container *c)
{
    codec_put(w, &container_codec, c);
}

void plan_cgroup_put(struct wbuf *w, const struct plan_cgroup *c)
{
    codec_put(w, &plan_cgroup_codec, c);
}

int plan_process_get(struct wire body, struct plan_process *ret)
{
    return codec_get(body, &plan_process_codec, ret);
}

int plan_container_get(struct wire body, struct plan_container *ret)
{
    return codec_get(body, &container_codec, ret);
}

int plan_cgroup_get(struct wire body, struct plan_cgroup *ret)
{
    return codec_get(body, &plan_cgroup_codec, ret);
}

int plan_list_add(struct plan_list *l, const char *s)
{
    char **v = realloc(l->v, (l->n + 2) * sizeof(*v));
    char *copy;

    if (!v)
        return -ENOMEM;
    l->v = v;
    v[l->n] = NULL;
    copy = strdup(s);
    if (!copy)
        return -ENOMEM;
    v[l->n++] = copy;
    v[l->n] = NULL;
    return 0;
}

void plan_list_done(struct plan_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i]);
    free(l->v);
    memset(l, 0, sizeof(*l));
}
