/* SPDX-License-Identifier: Apache-2.0 */
/* Which of a bundle's file systems and devices become disks. Looks, and touches nothing. */
#include "cli/disks/choice.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "base/cleanup.h"

void disks_done(struct disks *d)
{
    disks_close(d);
    disks_unname(d);
    for (size_t i = 0; i < d->n; i++) {
        struct disk *k = &d->v[i];

        free(k->source);
        free(k->unmount);
        free(k->fs);
        free(k->data);
        free(k->subdir);
        str_forget(k->secret);
        free(k->ipc.tag);
        free(k->ipc.path);
        free(k->ipc.secret_file);
        kvs_done(&k->ipc.options);
        kvs_done(&k->ipc.files);
        free(k->ipc.source);
    }
    for (size_t i = 0; i < d->n_nfs; i++) {
        free(d->nfs[i].source);
        free(d->nfs[i].data);
    }
    free(d->v);
    free(d->uses);
    free(d->nfs);
    strv_done(&d->nfs_hosts);
    strv_done(&d->why);
    *d = (struct disks){0};
}

struct ipc_disk *disks_ipc(const struct disks *d)
{
    struct ipc_disk *v = xcalloc(d->n + 1, sizeof(*v));

    for (size_t i = 0; i < d->n; i++)
        v[i] = d->v[i].ipc;
    return v;
}

/* "ext4," or, if no disk needs that, "". */
static const char *if_needed(const struct disks *d, const char *group)
{
    cleanup_free char *name = xstrndup(group, strlen(group) - 1);

    for (size_t i = 0; i < d->n; i++) {
        const struct disk *k = &d->v[i];

        if ((k->fs && strcmp(k->fs, name) == 0) || (k->use.overlay && strcmp(name, "overlay") == 0))
            return group;
    }
    return "";
}

/* The driver comes last, for it waits for the bus. What is on an image is not always known here. */
char *disks_modules(const struct disks *d)
{
    if (d->n == 0)
        return NULL;
    return xasprintf("%s%s%s%s%sblock", if_needed(d, "overlay,"), if_needed(d, "erofs,"),
                     if_needed(d, "ext4,"), if_needed(d, "xfs,"), if_needed(d, "squashfs,"));
}

/* Ids are longer than a serial number may be: 8 hex digits stand for them (FNV-1a). */
static char *make_tag(const char *id, const char *what)
{
    uint32_t hash = 2166136261u;

    for (const char *p = id; *p; p++)
        hash = (hash ^ (uint8_t)*p) * 16777619u;
    return xasprintf("%08x-%s", hash, what);
}

/* A new disk; what is "r", "w", "m3", "d0". */
int disk_add(struct chooser *k, enum disk_origin origin, const char *source, const char *what,
             struct disk **ret)
{
    struct disk *d;

    if (k->d->n >= IPC_DISKS_MAX)
        return err_set_phase(k->err, PHASE_STORAGE, E2BIG,
                             "a container may have %d disks at most: put some of the volumes on "
                             "one disk (subdir=)",
                             IPC_DISKS_MAX);
    k->d->v = xreallocarray(k->d->v, k->d->n + 1, sizeof(*k->d->v));
    d = &k->d->v[k->d->n++];
    *d = (struct disk){
        .origin = origin,
        .source = xstrdup(source),
        .ipc = {.tag = make_tag(k->id, what),
                .protocol = origin == DISK_NODE ? HVP_PROTO_BLOCK : HVP_PROTO_FILE,
                .format = HVP_FORMAT_RAW,
                .path = origin == DISK_NETWORK ? NULL : xstrdup(source ? source : "scratch")},
    };
    *ret = d;
    return 0;
}

void disk_use(struct disk *d, enum plan_disk_use use, size_t index)
{
    d->used = true;
    d->use = (struct plan_disk){.use = use, .index = index};
}

void disk_note(struct chooser *k, const char *what, const struct storage_choice *c)
{
    strv_addf(&k->d->why, "%s: %s: %s", what, c->word, c->reason);
}

const struct hvp_caps *disk_known_caps(const struct choice *c)
{
    const struct probed *p = c->back_end ? &c->probed[c->back_end - c->descriptors.v] : NULL;

    return p && p->asked ? &p->info.caps : NULL;
}

bool disk_can_plug(const struct choice *c)
{
    const struct hvp_caps *caps = disk_known_caps(c);

    return !caps || (caps->coldplug & 1u << HVP_DEV_DISK);
}

bool disks_can_wait(const struct cli *cli, struct choice *c, const struct disks *d)
{
    const struct hvp_caps *caps;

    for (size_t i = 0; i < d->n; i++)
        if (d->v[i].origin == DISK_NETWORK)
            return false; /* a VMM that started without one may not be in a network */
    choice_probe(cli, c, (size_t)(c->back_end - c->descriptors.v));
    caps = disk_known_caps(c);
    return (caps->hotplug & 1u << HVP_DEV_DISK) && d->n < caps->hotplug_max;
}

bool disk_images_are_writable(const struct choice *c)
{
    const struct hvp_caps *caps = disk_known_caps(c);

    return caps && (caps->disk_rw_only & 1u << HVP_PROTO_FILE);
}

void disk_apply_words(struct disk *d, struct disk_words *w)
{
    d->fs = steal_ptr(&w->fs);
    d->data = steal_ptr(&w->data);
    d->subdir = steal_ptr(&w->subdir);
    d->ipc.cache = w->cache;
    d->ipc.discard = w->discard;
    d->ipc.flags = w->readonly ? HVP_F_READONLY : 0;
}

static int set_format(struct disk *d, const char *word, struct err *err)
{
    const char *format;
    int r = storage_image_format(d->source, word, &format, err);

    if (r == 0 && strcmp(format, "qcow2") == 0)
        d->ipc.format = HVP_FORMAT_QCOW2;
    return r;
}

int disk_look_at(const char *path, bool *ret_ours, const char *bundle, struct storage_facts *f,
                 struct err *err)
{
    struct storage_source s;
    size_t n = bundle ? strlen(bundle) : 0;
    int r = storage_inspect(path, &s, err);

    if (r < 0)
        return r;
    f->kind = s.kind;
    *ret_ours = n && strncmp(path, bundle, n) == 0 && path[n] == '/';
    return s.kind == STORAGE_DIR ? storage_mount_at(path, &f->mount, err) : 0;
}

/* Only a source that is that very block device still. */
int disk_check_node(const char *path, const struct storage_mount *m, struct err *err)
{
    struct stat st;

    if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode) || major(st.st_rdev) != m->major ||
        minor(st.st_rdev) != m->minor)
        return err_set_phase(err, PHASE_STORAGE, ENODEV,
                             "'%s' is not the device %u:%u that is mounted", path, m->major,
                             m->minor);
    return 0;
}

int disk_add_image(struct chooser *k, const struct storage_facts *f, const char *path,
                   const char *what, struct disk_words *w, struct disk **ret)
{
    int r = disk_add(k, f->kind == STORAGE_BLOCK ? DISK_NODE : DISK_IMAGE, path, what, ret);

    if (r == 0 && (f->kind == STORAGE_FILE || w->format))
        r = set_format(*ret, w->format, k->err);
    if (r < 0)
        return r;
    disk_apply_words(*ret, w);
    if ((*ret)->ipc.format == HVP_FORMAT_RAW && storage_image_readonly(path))
        (*ret)->ipc.flags |= HVP_F_READONLY; /* many may have it open then */
    return 0;
}

int disk_add_mounted(struct chooser *k, const struct storage_facts *f, const char *point,
                     const char *what, struct disk **ret)
{
    int r = disk_check_node(f->mount.source, &f->mount, k->err);

    if (r == 0)
        r = disk_add(k, DISK_NODE, f->mount.source, what, ret);
    if (r < 0)
        return r;
    (*ret)->unmount = xstrdup(point);
    (*ret)->fs = xstrdup(f->mount.fs_type);
    (*ret)->ipc.flags = f->mount.readonly ? HVP_F_READONLY : 0;
    return 0;
}

/* Last, when the array of disks does not move any more. */
static void list_uses(struct disks *d)
{
    d->uses = xcalloc(d->n + 1, sizeof(*d->uses));
    for (size_t i = 0; i < d->n; i++) {
        struct disk *k = &d->v[i];

        k->use.tag = k->ipc.tag;
        k->use.fs = k->fs;
        k->use.data = k->data;
        k->use.subdir = k->subdir;
        if (k->used)
            d->uses[d->n_uses++] = k->use;
    }
}

int disks_choose(const char *id, const struct oci_spec *spec, const struct choice *c,
                 struct disks *ret, struct err *err)
{
    struct disks d = {0};
    struct chooser k = {id, spec, c, &d, err};
    int r = disk_choose_root(&k);

    for (size_t i = 0; i < spec->n_mounts && r == 0; i++)
        r = disk_choose_mount(&k, i);
    if (r == 0)
        r = disk_choose_devices(&k);
    if (r < 0) {
        disks_done(&d);
        return r;
    }
    list_uses(&d);
    *ret = d;
    return 0;
}
