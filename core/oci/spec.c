/* SPDX-License-Identifier: Apache-2.0 */
/* The top level of config.json: version, root, mounts, hooks, annotations. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "oci/reader.h"

#define VERSION_CHARS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+-"

static const char *const hook_names[OCI_HOOK_KINDS] = {
    [OCI_HOOK_PRESTART] = "prestart",
    [OCI_HOOK_CREATE_RUNTIME] = "createRuntime",
    [OCI_HOOK_CREATE_CONTAINER] = "createContainer",
    [OCI_HOOK_START_CONTAINER] = "startContainer",
    [OCI_HOOK_POSTSTART] = "poststart",
    [OCI_HOOK_POSTSTOP] = "poststop",
};

const char *oci_hook_name(enum oci_hook_kind kind)
{
    return (unsigned)kind < OCI_HOOK_KINDS ? hook_names[kind] : NULL;
}

/* Semantic versioning: every 1.x only adds to 1.0. */
static bool version_known(const char *v)
{
    size_t minor;

    if (!str_starts_with(v, "1.") || strspn(v, VERSION_CHARS) != strlen(v))
        return false;
    v += 2;
    minor = strspn(v, "0123456789");
    return minor > 0 && v[minor] == '.' && v[minor + 1] >= '0' && v[minor + 1] <= '9';
}

static void read_version(struct reader *r, json_object *obj, struct oci_spec *s)
{
    rd_need_str(r, obj, "ociVersion", &s->version);
    if (!r->code && !version_known(s->version))
        rd_fail(r, "ociVersion", "version '%s' is not supported, only 1.x.y is", s->version);
}

static void read_root(struct reader *r, json_object *obj, struct oci_spec *s)
{
    json_object *root = rd_enter(r, obj, "root");

    if (!root) {
        rd_fail(r, "root", "missing");
        return;
    }
    rd_need_str(r, root, "path", &s->rootfs);
    if (!r->code && !*s->rootfs)
        rd_fail(r, "path", "is empty");
    rd_bool(r, root, "readonly", &s->rootfs_readonly);
    rd_leave(r);
}

static void read_mount(struct reader *r, json_object *obj, void *dest)
{
    struct oci_mount *m = dest;

    rd_need_str(r, obj, "destination", &m->destination);
    rd_str(r, obj, "type", &m->type);
    rd_str(r, obj, "source", &m->source);
    rd_strv(r, obj, "options", &m->options);
    read_idmaps(r, obj, "uidMappings", &m->uid_map);
    read_idmaps(r, obj, "gidMappings", &m->gid_map);
    if (!r->code && !*m->destination)
        rd_fail(r, "destination", "is empty");
}

static void read_hook(struct reader *r, json_object *obj, void *dest)
{
    struct oci_hook *h = dest;

    rd_need_str(r, obj, "path", &h->path);
    if (!r->code && h->path[0] != '/')
        rd_fail(r, "path", "'%s' is not an absolute path", h->path);
    rd_strv(r, obj, "args", &h->args);
    rd_strv(r, obj, "env", &h->env);
    if (rd_u32(r, obj, "timeout", &h->timeout_s) && h->timeout_s == 0)
        rd_fail(r, "timeout", "must be greater than 0");
}

static void read_hooks(struct reader *r, json_object *obj, struct oci_spec *s)
{
    json_object *hooks = rd_enter(r, obj, "hooks");

    if (!hooks)
        return;
    for (size_t i = 0; i < OCI_HOOK_KINDS; i++)
        rd_list(r, hooks, hook_names[i], sizeof(struct oci_hook), read_hook, &s->hooks[i].v,
                &s->hooks[i].n);
    rd_leave(r);
}

static void read_spec(struct reader *r, json_object *obj, struct oci_spec *s)
{
    json_object *part;

    read_version(r, obj, s);
    read_root(r, obj, s);
    rd_str(r, obj, "hostname", &s->hostname);
    rd_str(r, obj, "domainname", &s->domainname);
    rd_list(r, obj, "mounts", sizeof(struct oci_mount), read_mount, &s->mounts, &s->n_mounts);
    if ((part = rd_enter(r, obj, "process"))) {
        read_process(r, part, &s->process);
        rd_leave(r);
    }
    read_hooks(r, obj, s);
    rd_kvs(r, obj, "annotations", &s->annotations);
    if ((part = rd_enter(r, obj, "linux"))) {
        read_linux(r, part, &s->linux_);
        rd_leave(r);
    }
}

int oci_spec_parse(const char *json, size_t len, struct oci_spec **ret, struct err *err)
{
    struct reader r = {.file = "config.json", .err = err};
    struct oci_spec *s;
    json_object *obj = NULL;
    int e = reader_parse(json, len, r.file, &obj, err);

    if (e < 0)
        return e;
    s = xcalloc(1, sizeof(*s));
    s->process.user.umask = OCI_UMASK_UNSET;
    read_spec(&r, obj, s);
    json_object_put(obj);
    if (r.code) {
        oci_spec_free(s);
        return r.code;
    }
    *ret = s;
    return 0;
}

int oci_bundle_load(const char *bundle_dir, struct oci_spec **ret, struct err *err)
{
    cleanup_free char *dir = realpath(bundle_dir, NULL), *file = NULL, *text = NULL;
    struct oci_spec *s = NULL;
    size_t len;
    int r;

    if (!dir)
        return err_set_phase(err, PHASE_CONFIG, errno, "bundle '%s': %m", bundle_dir);
    file = path_join(dir, "config.json");
    if ((r = path_read(AT_FDCWD, file, OCI_CONFIG_MAX, &text, &len, err)) < 0)
        return err_in_phase(err, PHASE_CONFIG);
    if ((r = oci_spec_parse(text, len, &s, err)) < 0)
        return r;
    if (s->rootfs[0] != '/') {
        char *absolute = path_join(dir, s->rootfs);

        free(s->rootfs);
        s->rootfs = absolute;
    }
    s->bundle = steal_ptr(&dir);
    *ret = s;
    return 0;
}
