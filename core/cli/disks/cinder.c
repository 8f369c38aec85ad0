/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes of OpenStack's Cinder: mounts whose source is a connection_info, a file or the JSON
 * itself, and annotations with one. What is in it becomes a network volume, an image or a device.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "cli/disks/choice.h"
#include "storage/connection.h"

#define INITIATOR_FILE "/etc/iscsi/initiatorname.iscsi" /* open-iscsi's, which os-brick reports */
#define INITIATOR_KEY "InitiatorName="

bool disk_is_connection(const char *source)
{
    return str_ends_with(source, ".json");
}

static int wish_to_mount(const struct kv *annotation, struct oci_spec *spec, struct err *err)
{
    cleanup_call(storage_wish_done) struct storage_wish w = {0};
    cleanup_free char *name = xasprintf("annotation %s", annotation->key);
    int r = storage_wish_parse(annotation->value, name, &w, err);
    struct oci_mount *m;

    if (r < 0)
        return r;
    spec->mounts = xreallocarray(spec->mounts, spec->n_mounts + 1, sizeof(*spec->mounts));
    m = &spec->mounts[spec->n_mounts++];
    *m = (struct oci_mount){.destination = steal_ptr(&w.destination),
                            .type = xstrdup(DISK_CINDER_TYPE),
                            .source = steal_ptr(&w.connection),
                            .options = w.options};
    w.options = (struct strv){0};
    return 0;
}

int disks_add_wishes(struct oci_spec *spec, const struct choice *c, struct err *err)
{
    const struct kvs *granted = &c->decision.granted;
    int r = 0;

    for (size_t i = 0; i < granted->n && r == 0; i++)
        if (str_starts_with(granted->v[i].key, POLICY_ANNOTATION_CINDER))
            r = wish_to_mount(&granted->v[i], spec, err);
    return r;
}

/* The file may hold a password; whether it then was private is asked of the file that was read. */
static int read_file(const char *path, char **ret, bool *ret_private, struct err *err)
{
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    size_t len;
    int r;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "open the connection_info '%s': %m", path);
    if (!S_ISREG(st.st_mode))
        return err_set_phase(err, PHASE_STORAGE, EINVAL, "the connection_info '%s' is not a file",
                             path);
    if ((r = fd_read_all(fd, STORAGE_CONNECTION_MAX, ret, &len, err)) < 0)
        return err_wrap(err, "connection_info '%s'", path);
    *ret_private = !(st.st_mode & S_IRWXO);
    return 0;
}

static char *host_initiator(void)
{
    cleanup_free char *text = NULL;
    size_t len;
    const char *name;

    if (path_read(AT_FDCWD, INITIATOR_FILE, 4096, &text, &len, NULL) < 0)
        return NULL;
    for (name = text; name && !str_starts_with(name, INITIATOR_KEY); name++)
        if (!(name = strchr(name, '\n')))
            return NULL;
    name = name ? name + strlen(INITIATOR_KEY) : "";
    len = strcspn(name, " \t\r\n");
    return len ? xstrndup(name, len) : NULL;
}

static int check_private(const struct storage_connection *v, const char *path, bool private,
                         struct err *err)
{
    if (!v->secret || (path && private))
        return 0;
    if (!path)
        return err_set_phase(err, PHASE_CONFIG, EPERM,
                             "a password in config.json is everybody's to read; put the "
                             "connection_info into a file, or the password into one of "
                             "storage.secrets_dir and name it: secret=NAME");
    return err_set_phase(err, PHASE_STORAGE, EPERM,
                         "the connection_info '%s' holds a password and is open to every user of "
                         "the host: chmod o-rwx it",
                         path);
}

/* path: NULL = the mount's source is the text. */
static int load(const struct oci_mount *m, const char *path, struct storage_connection *ret,
                struct err *err)
{
    cleanup_free char *text = NULL, *initiator = host_initiator();
    bool private = false;
    int r = path ? read_file(path, &text, &private, err) : 0;

    if (r < 0)
        return r;
    r = storage_connection_parse(path ? text : m->source, path ? path : "connection_info",
                                 initiator, ret, err);
    if (text)
        explicit_bzero(text, strlen(text));
    if (r == 0 && (r = check_private(ret, path, private, err)) < 0)
        storage_connection_done(ret);
    return r;
}

/* The mount's own words win over Cinder's, but for what Cinder forbids. */
static void merge(struct storage_connection *v, struct disk_words *w)
{
    w->readonly |= v->readonly;
    w->discard |= v->discard;
    if (!w->format)
        w->format = xstrdup(v->format);
    if (w->secret)
        return;
    w->secret_text = steal_ptr(&v->secret);
    if (!w->secret_text)
        w->secret = steal_ptr(&v->secret_name);
}

/* The export as a whole is not for a guest: it holds everybody's volumes. */
static int nfs_image(const struct storage_connection *v, char **ret, struct err *err)
{
    cleanup_free char *point = NULL;
    int r = storage_mount_of(v->nfs_export, "nfs", &point, err);

    if (r < 0)
        return r;
    if (!point)
        return err_set_phase(err, PHASE_STORAGE, ENOENT,
                             "the host has not mounted the NFS export '%s'; mount it, as os-brick "
                             "does, and the VMM opens the volume '%s' there",
                             v->nfs_export, v->path);
    *ret = path_join(point, v->path);
    return 0;
}

static int choose(struct chooser *k, size_t i, struct storage_connection *v, struct disk_words *w)
{
    cleanup_free char *image = NULL;
    int r;

    if (v->uri)
        return disk_choose_uri(k, i, v->uri, w);
    if (v->nfs_export && (r = nfs_image(v, &image, k->err)) < 0)
        return r;
    return disk_choose_image(k, i, image ? image : v->path, w);
}

int disk_choose_cinder(struct chooser *k, size_t i, struct disk_words *w)
{
    const struct oci_mount *m = &k->spec->mounts[i];
    cleanup_call(storage_connection_done) struct storage_connection v = {0};
    cleanup_free char *path = NULL;
    int r;

    if (!m->source || !*m->source)
        return err_set_phase(k->err, PHASE_CONFIG, EINVAL, "it needs a connection_info as source");
    if (*m->source != '{')
        path = *m->source == '/' ? xstrdup(m->source) : path_join(k->spec->bundle, m->source);
    if ((r = load(m, path, &v, k->err)) < 0)
        return r;
    merge(&v, w);
    for (size_t n = 0; n < v.ignored.n; n++)
        strv_addf(&k->d->why, "mounts[%zu] '%s': not applied: %s", i, m->destination,
                  v.ignored.v[n]);
    return choose(k, i, &v, w);
}
