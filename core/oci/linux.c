/* SPDX-License-Identifier: Apache-2.0 */
/* `linux` of config.json but for resources and seccomp. */
#include <string.h>
#include "base/cleanup.h"
#include "oci/reader.h"

static const char *const ns_names[OCI_NS_KINDS] = {
    [OCI_NS_PID] = "pid",   [OCI_NS_NETWORK] = "network", [OCI_NS_IPC] = "ipc",
    [OCI_NS_UTS] = "uts",   [OCI_NS_MOUNT] = "mount",     [OCI_NS_CGROUP] = "cgroup",
    [OCI_NS_USER] = "user", [OCI_NS_TIME] = "time",
};

const char *oci_namespace_name(enum oci_ns_kind kind)
{
    return (unsigned)kind < OCI_NS_KINDS ? ns_names[kind] : NULL;
}

static int ns_kind(const char *name)
{
    for (int i = 0; i < OCI_NS_KINDS; i++)
        if (strcmp(ns_names[i], name) == 0)
            return i;
    return -1;
}

struct ns_entry {
    char *type, *path;
};

static void read_ns_entry(struct reader *r, json_object *obj, void *dest)
{
    struct ns_entry *e = dest;

    rd_need_str(r, obj, "type", &e->type);
    rd_str(r, obj, "path", &e->path);
    if (r->code)
        return;
    if (ns_kind(e->type) < 0)
        rd_fail(r, "type", "namespace '%s' is not known", e->type);
    if (e->path && *e->path && *e->path != '/')
        rd_fail(r, "path", "'%s' is not an absolute path", e->path);
}

static void take_namespace(struct reader *r, struct ns_entry *e, struct oci_linux *l)
{
    struct oci_namespace *ns = &l->ns[ns_kind(e->type)];

    if (ns->listed) {
        rd_fail(r, "namespaces", "namespace '%s' is listed twice", e->type);
        return;
    }
    ns->listed = true;
    if (e->path && *e->path) /* Go writes an absent path as "" now and then */
        ns->path = steal_ptr(&e->path);
}

static void read_namespaces(struct reader *r, json_object *obj, struct oci_linux *l)
{
    struct ns_entry *v = NULL;
    size_t n = 0;

    rd_list(r, obj, "namespaces", sizeof(*v), read_ns_entry, &v, &n);
    for (size_t i = 0; i < n; i++) {
        if (!r->code)
            take_namespace(r, &v[i], l);
        free(v[i].type);
        free(v[i].path);
    }
    free(v);
}

static void read_idmap(struct reader *r, json_object *obj, void *dest)
{
    struct oci_idmap *m = dest;

    rd_u32(r, obj, "containerID", &m->container_id);
    rd_u32(r, obj, "hostID", &m->host_id);
    rd_u32(r, obj, "size", &m->size);
}

void read_idmaps(struct reader *r, json_object *obj, const char *key, struct oci_idmaps *ret)
{
    rd_list(r, obj, key, sizeof(struct oci_idmap), read_idmap, &ret->v, &ret->n);
}

static void read_device(struct reader *r, json_object *obj, void *dest)
{
    struct oci_device *d = dest;

    rd_need_str(r, obj, "path", &d->path);
    rd_need_str(r, obj, "type", &d->type);
    rd_i64(r, obj, "major", -1, UINT32_MAX, &d->major);
    rd_i64(r, obj, "minor", -1, UINT32_MAX, &d->minor);
    rd_opt_u64(r, obj, "fileMode", &d->file_mode);
    rd_opt_u64(r, obj, "uid", &d->uid);
    rd_opt_u64(r, obj, "gid", &d->gid);
    if (!r->code && d->path[0] != '/')
        rd_fail(r, "path", "'%s' is not an absolute path", d->path);
    if (!r->code && (strlen(d->type) != 1 || !strchr("cbup", d->type[0])))
        rd_fail(r, "type", "'%s' is none of c, b, u, p", d->type);
}

static void read_personality(struct reader *r, json_object *obj, struct oci_linux *l)
{
    json_object *part = rd_enter(r, obj, "personality");

    if (!part)
        return;
    rd_need_str(r, part, "domain", &l->personality);
    rd_leave(r);
}

void read_linux(struct reader *r, json_object *obj, struct oci_linux *l)
{
    json_object *part;

    read_namespaces(r, obj, l);
    read_idmaps(r, obj, "uidMappings", &l->uid_map);
    read_idmaps(r, obj, "gidMappings", &l->gid_map);
    rd_list(r, obj, "devices", sizeof(struct oci_device), read_device, &l->devices, &l->n_devices);
    rd_str(r, obj, "cgroupsPath", &l->cgroups_path);
    rd_str(r, obj, "rootfsPropagation", &l->rootfs_propagation);
    rd_str(r, obj, "mountLabel", &l->mount_label);
    rd_strv(r, obj, "maskedPaths", &l->masked_paths);
    rd_strv(r, obj, "readonlyPaths", &l->readonly_paths);
    rd_kvs(r, obj, "sysctl", &l->sysctl);
    read_personality(r, obj, l);
    if ((part = rd_enter(r, obj, "resources"))) {
        read_resources(r, part, &l->resources);
        rd_leave(r);
    }
    if ((part = rd_enter(r, obj, "seccomp"))) {
        read_seccomp(r, part, &l->seccomp);
        rd_leave(r);
    }
}
