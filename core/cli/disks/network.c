/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network volumes as disks: a URI and a secret's name become options for the plug-in, and files
 * that the monitor shows to the VMM alone. The host never connects: the VMM does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "cli/disks/disks.h"
#include "storage/disk.h"
#include "storage/uri.h"

#define CEPH_CONF "/etc/ceph/ceph.conf" /* where Ceph's own programs look */

static size_t class_volumes(const struct choice *c)
{
    return c->workload.is_sandbox ? 0 : c->decision.storage.n_extra;
}

int disks_add_volumes(struct oci_spec *spec, const struct choice *c, struct err *err)
{
    size_t n = class_volumes(c);
    int r = c->workload.is_sandbox ? 0 : disks_add_wishes(spec, c, err);

    if (r < 0)
        return r;
    if (n)
        spec->mounts = xreallocarray(spec->mounts, spec->n_mounts + n, sizeof(*spec->mounts));
    for (size_t i = 0; i < n; i++) {
        const struct config_volume *v = &c->decision.storage.extra[i];
        struct oci_mount *m = &spec->mounts[spec->n_mounts++];

        *m = (struct oci_mount){.destination = xstrdup(v->destination),
                                .type = xstrdup(DISK_NETWORK_TYPE),
                                .source = xstrdup(v->source)};
        for (size_t o = 0; o < v->options.n; o++)
            strv_add(&m->options, v->options.v[o]);
        if (v->readonly)
            strv_add(&m->options, "ro");
        if (v->type)
            strv_addf(&m->options, "fs=%s", v->type);
    }
    return 0;
}

const struct config_volume *disks_class_volume(const struct oci_spec *spec, const struct choice *c,
                                               size_t index)
{
    size_t n = class_volumes(c), bundles = spec->n_mounts - n;

    return index < bundles ? NULL : &c->decision.storage.extra[index - bundles];
}

/* A workload names secrets, the operator says which there are. */
static int find_secret(const struct choice *c, const struct disk_words *w, const char *secret,
                       char **ret, struct err *err)
{
    if (secret && strstr(secret, "//"))
        return err_set_phase(err, PHASE_CONFIG, EINVAL, "the path '%s' has a '//' in it", secret);
    if (secret || !w->secret) {
        *ret = xstrdup(secret ? secret : w->secret_text ? "(of the connection_info)" : NULL);
        return 0;
    }
    if (!*w->secret || *w->secret == '.' || strchr(w->secret, '/'))
        return err_set_phase(err, PHASE_CONFIG, EINVAL,
                             "secret '%s' is not the name of a file in '%s' (storage.secrets_dir)",
                             w->secret, c->config.secrets_dir);
    *ret = path_join(c->config.secrets_dir, w->secret);
    return 0;
}

static int check_protocol(const struct choice *c, uint32_t protocol, struct err *err)
{
    const struct probed *p = c->back_end ? &c->probed[c->back_end - c->descriptors.v] : NULL;

    if (!p || !p->asked || (p->info.caps.disk_protocols & 1u << protocol))
        return 0;
    return err_set_phase(err, PHASE_STORAGE, ENOTSUP,
                         "back-end '%s' cannot open %s volumes on this host; for QEMU of Debian "
                         "that takes the package qemu-block-extra",
                         c->back_end->name, plugin_protocol_name(protocol));
}

/* Of a socket its directory travels: a server that is started anew makes another socket. */
static void add_files(const struct storage_uri *u, char **secret, struct ipc_disk *d)
{
    if (u->socket) {
        const char *name = strrchr(u->socket, '/');
        cleanup_free char *value = xasprintf("%.*s/%s", (int)(name - u->socket), u->socket, name);

        kvs_add(&d->files, "socket", value);
    }
    if (u->protocol == STORAGE_RBD && (u->conf || access(CEPH_CONF, F_OK) == 0))
        kvs_add(&d->files, "conf", u->conf ? u->conf : CEPH_CONF);
    if (u->tls)
        kvs_add(&d->files, "tls_dir", *secret);
    else
        d->secret_file = steal_ptr(secret);
}

static int check_secret(const struct storage_uri *u, const char *secret, struct err *err)
{
    if (u->needs_secret == (secret != NULL))
        return 0;
    return err_set_phase(err, PHASE_CONFIG, EINVAL,
                         secret ? "it names no user, so a secret has no use"
                                : "it needs a secret: secret=NAME, a file of the operator's in "
                                  "storage.secrets_dir (for nbds: a directory)");
}

static int fill(struct disk *d, const struct choice *c, struct storage_uri *u, struct disk_words *w,
                char **secret, struct err *err)
{
    static const uint32_t protocols[] = {[STORAGE_NBD] = HVP_PROTO_NBD,
                                         [STORAGE_ISCSI] = HVP_PROTO_ISCSI,
                                         [STORAGE_RBD] = HVP_PROTO_RBD};
    const char *format = w->format ? w->format : u->format ? u->format : "raw";
    int r;

    if (u->protocol == STORAGE_NFS)
        return err_set_phase(
            err, PHASE_STORAGE, ENOTSUP,
            "a root file system cannot be on NFS, for a guest has its network only "
            "when the container starts; use nbd:, iscsi: or rbd:, or let the host "
            "mount it where the bundle has its rootfs");
    if (strcmp(format, "raw") != 0 && strcmp(format, "qcow2") != 0)
        return err_set_phase(err, PHASE_CONFIG, EINVAL, "format '%s' is neither raw nor qcow2",
                             format);
    if ((r = check_secret(u, *secret, err)) < 0 ||
        (r = check_protocol(c, protocols[u->protocol], err)) < 0)
        return r;
    d->secret = steal_ptr(&w->secret_text);
    d->source = xstrdup(u->shown);
    d->ipc.source = xstrdup(u->shown);
    d->ipc.protocol = protocols[u->protocol];
    d->ipc.format = strcmp(format, "qcow2") == 0 ? HVP_FORMAT_QCOW2 : HVP_FORMAT_RAW;
    d->ipc.options = u->options;
    u->options = (struct kvs){0};
    add_files(u, secret, &d->ipc);
    return 0;
}

int disk_network_fill(struct disk *d, const struct choice *c, const char *uri, struct disk_words *w,
                      const char *secret, struct err *err)
{
    struct storage_uri u = {0};
    cleanup_free char *file = NULL;
    int r = storage_uri_parse(uri, &u, err);

    if (r < 0)
        return r;
    if ((r = find_secret(c, w, secret, &file, err)) == 0)
        r = fill(d, c, &u, w, &file, err);
    if (r < 0)
        err_wrap(err, "volume '%s'", u.shown);
    storage_uri_done(&u);
    return r;
}

/* What everybody on the host may read is no secret. */
static int check_private(const char *path, int fd, bool dir, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "stat '%s': %m", path);
    if (dir ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
        return err_set_phase(err, PHASE_STORAGE, EINVAL, "the secret '%s' is not a %s", path,
                             dir ? "directory with credentials" : "file");
    if (st.st_mode & S_IRWXO)
        return err_set_phase(err, PHASE_STORAGE, EPERM,
                             "the secret '%s' is open to every user of the host: chmod o-rwx it",
                             path);
    return 0;
}

static int open_one(const char *path, bool secret, bool dir, int *fds, size_t *n, struct err *err)
{
    cleanup_fd int fd = -1;
    int r = storage_clone_file(path, true, &fd, err);

    if (r == 0 && secret)
        r = check_private(path, fd, dir, err);
    if (r == 0)
        fds[(*n)++] = steal_fd(&fd);
    return r;
}

/* The monitor mounts files: this one has a name until it has done so. */
static int name_secret(struct disk *d, const char *dir, struct err *err)
{
    cleanup_free char *path = xasprintf("%s/secret.%s", dir, d->ipc.tag);
    cleanup_fd int fd =
        open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);

    if (fd < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "make '%s': %m", path);
    d->name = steal_ptr(&path);
    return fd_write_all(fd, d->secret, strlen(d->secret), err);
}

int disk_network_open(struct disk *d, const char *dir, int *fds, size_t *n_fds, struct err *err)
{
    int r = d->secret ? name_secret(d, dir, err) : 0;

    if (r == 0 && d->ipc.secret_file)
        r = open_one(d->secret ? d->name : d->ipc.secret_file, true, false, fds, n_fds, err);
    for (size_t i = 0; i < d->ipc.files.n && r == 0; i++) {
        const struct kv *file = &d->ipc.files.v[i];
        const char *below = strstr(file->value, "//");
        cleanup_free char *path =
            below ? xstrndup(file->value, (size_t)(below - file->value)) : xstrdup(file->value);
        bool tls = strcmp(file->key, "tls_dir") == 0;

        r = open_one(path, tls, tls, fds, n_fds, err);
    }
    return r < 0 ? err_wrap(err, "volume '%s'", d->source) : 0;
}
