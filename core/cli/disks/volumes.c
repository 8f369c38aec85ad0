/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts of the bundle that become disks: images, devices, scratch, volumes of the network. */
#include "cli/disks/choice.h"
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "cli/creation/planning.h"

static int add_scratch(struct chooser *k, size_t i, struct disk_words *w)
{
    cleanup_free char *what = xasprintf("m%zu", i);
    cleanup_free char *data = NULL;
    struct disk *d;
    int r;

    if (!strv_has(k->c->decision.storage.volumes, "block"))
        return err_set_phase(k->err, PHASE_STORAGE, ENOTSUP,
                             "a scratch disk needs 'block' in storage.volumes");
    if (w->size < SCRATCH_MIN)
        return err_set_phase(k->err, PHASE_CONFIG, EINVAL,
                             "a scratch disk needs an option size= of at least 16MiB");
    if ((r = disk_add(k, DISK_SCRATCH, NULL, what, &d)) < 0)
        return r;
    d->size = w->size;
    disk_apply_words(d, w);
    free(d->fs);
    d->fs = xstrdup("ext4");
    data = d->data;
    d->data = xasprintf("%s%snoinit_itable", data ? data : "", data ? "," : "");
    d->ipc.cache = HVP_CACHE_UNSAFE;
    d->ipc.discard = 1;
    disk_use(d, PLAN_DISK_MOUNT, i);
    d->use.scratch = true;
    return 0;
}

/* A class's own volumes are not asked about: whoever wrote them wants them. */
int disk_choose_uri(struct chooser *k, size_t i, const char *uri, struct disk_words *w)
{
    const struct oci_mount *m = &k->spec->mounts[i];
    const struct config_volume *v = disks_class_volume(k->spec, k->c, i);
    cleanup_free char *what = xasprintf("m%zu", i);
    cleanup_free char *place = xasprintf("mounts[%zu] '%s'", i, m->destination);
    cleanup_call(storage_choice_done) struct storage_choice choice = {0};
    cleanup_call(strv_done) struct strv network = {0};
    struct storage_facts f = {.uri = uri, .disks = disk_can_plug(k->c)};
    struct disk *d;
    int r;

    strv_add(&network, "network");
    if ((r = storage_decide(v ? &network : k->c->decision.storage.volumes, &f, &choice, k->err)) <
            0 ||
        (r = disk_add(k, DISK_NETWORK, NULL, what, &d)) < 0 ||
        (r = disk_network_fill(d, k->c, uri, w, v ? v->secret : NULL, k->err)) < 0)
        return r;
    disk_apply_words(d, w);
    disk_use(d, PLAN_DISK_MOUNT, i);
    disk_note(k, v ? "volume of the class" : place, &choice);
    return 0;
}

static int add_volume(struct chooser *k, size_t i, const struct storage_facts *f, const char *path,
                      struct disk_words *w)
{
    cleanup_free char *what = xasprintf("m%zu", i);
    struct disk *d;
    int r = f->as_disk || f->kind == STORAGE_BLOCK ? disk_add_image(k, f, path, what, w, &d)
                                                   : disk_add_mounted(k, f, path, what, &d);

    if (r == 0)
        disk_use(d, PLAN_DISK_MOUNT, i);
    return r;
}

static int decide_volume(struct chooser *k, size_t i, struct storage_facts *f, const char *path,
                         struct disk_words *w)
{
    const struct oci_mount *m = &k->spec->mounts[i];
    cleanup_free char *what = xasprintf("mounts[%zu] '%s'", i, m->destination);
    cleanup_call(storage_choice_done) struct storage_choice choice = {0};
    int r = storage_decide(k->c->decision.storage.volumes, f, &choice, k->err);

    if (r == 0 && choice.way == STORAGE_DISK)
        r = add_volume(k, i, f, path, w);
    if (r == 0)
        disk_note(k, what, &choice);
    return r < 0 ? err_wrap(k->err, "class '%s': source '%s'", k->c->decision.cls, path) : 0;
}

/* What plan makes of a bind without help: not a disk's business. */
static bool is_plans(const char *path, const struct oci_mount *m, struct err *err, int *ret)
{
    struct plan_input in;
    struct plan_source s;

    planning_input("", "", 1, &in);
    *ret = in.source(in.ctx, path, &s, err);
    if (*ret < 0)
        return true;
    return plan_bind_is_guests(path, m->destination, &s) || s.kind == PLAN_SRC_SOCKET ||
           s.kind == PLAN_SRC_FIFO;
}

/* Where it really is: the operator's pattern is not for links that lead elsewhere. */
static bool is_image(const struct chooser *k, const char *path)
{
    const struct strv *patterns = k->c->decision.storage.images;
    cleanup_free char *real = patterns->n ? realpath(path, NULL) : NULL;

    for (size_t i = 0; real && i < patterns->n; i++)
        if (fnmatch(patterns->v[i], real, FNM_PATHNAME) == 0)
            return true;
    return false;
}

static int choose_bind(struct chooser *k, size_t i, const char *path, bool image,
                       struct disk_words *w)
{
    const struct oci_mount *m = &k->spec->mounts[i];
    struct storage_facts f = {.disks = disk_can_plug(k->c)};
    int r;

    f.as_disk = image || (m->type && strcmp(m->type, DISK_MOUNT_TYPE) == 0);
    if (!f.as_disk && is_plans(path, m, k->err, &r))
        return r;
    if ((r = disk_look_at(path, &f.ours, k->spec->bundle, &f, k->err)) < 0)
        return r;
    /* A device node that is bound, to be used as a device: plan knows what the guest has. */
    if (f.kind != STORAGE_DEVICE && (f.as_disk || f.kind != STORAGE_BLOCK))
        r = decide_volume(k, i, &f, path, w);
    storage_mount_done(&f.mount);
    return r;
}

int disk_choose_image(struct chooser *k, size_t i, const char *path, struct disk_words *w)
{
    struct storage_facts f = {.disks = disk_can_plug(k->c), .as_disk = true};
    int r = disk_look_at(path, &f.ours, k->spec->bundle, &f, k->err);

    return r < 0 ? r : decide_volume(k, i, &f, path, w);
}

static bool is_bind(const struct oci_mount *m)
{
    return m->source && (strcmp(m->type ? m->type : "", "bind") == 0 ||
                         strv_has(&m->options, "bind") || strv_has(&m->options, "rbind"));
}

/* words: its options are a disk's. */
static int choose_disk_mount(struct chooser *k, size_t i, bool words, bool image)
{
    const struct oci_mount *m = &k->spec->mounts[i];
    const char *type = m->type ? m->type : "";
    bool network = strcmp(type, DISK_NETWORK_TYPE) == 0;
    cleanup_call(disk_words_done) struct disk_words w = {0};
    cleanup_free char *path =
        m->source && *m->source != '/' ? path_join(k->spec->bundle, m->source) : xstrdup(m->source);
    int r;

    if (network && m->source && str_starts_with(m->source, "nfs:"))
        return disk_choose_nfs(k, i);
    r = words ? disk_words_parse(&m->options, &w, k->err) : 0;
    if (r < 0)
        return r;
    if (network)
        return disk_choose_uri(k, i, m->source ? m->source : "", &w);
    if (strcmp(type, DISK_CINDER_TYPE) == 0 || (image && disk_is_connection(m->source)))
        return disk_choose_cinder(k, i, &w);
    if (w.secret)
        return err_set_phase(k->err, PHASE_CONFIG, EINVAL, "only network volumes have a secret");
    if (strcmp(type, DISK_SCRATCH_TYPE) == 0)
        return add_scratch(k, i, &w);
    if (!path)
        return err_set_phase(k->err, PHASE_CONFIG, EINVAL, "it needs a source");
    return choose_bind(k, i, path, image, &w);
}

int disk_choose_mount(struct chooser *k, size_t i)
{
    const struct oci_mount *m = &k->spec->mounts[i];
    const struct strv *words = k->c->decision.storage.volumes;
    const char *type = m->type ? m->type : "";
    bool ours = strcmp(type, DISK_MOUNT_TYPE) == 0 || strcmp(type, DISK_SCRATCH_TYPE) == 0 ||
                strcmp(type, DISK_NETWORK_TYPE) == 0 || strcmp(type, DISK_CINDER_TYPE) == 0;
    bool bind = is_bind(m), image = bind && is_image(k, m->source);
    int r = 0;

    if (ours || image || (bind && words->n && strcmp(words->v[0], "9pfs") != 0))
        r = choose_disk_mount(k, i, ours || image, image);
    return r < 0 ? err_wrap(k->err, "config.json: mounts[%zu] '%s'", i, m->destination) : 0;
}
