/* SPDX-License-Identifier: Apache-2.0 */
/* The root file system: a disk, an image made of its directory, or the share. */
#include "cli/disks/choice.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "storage/images.h"
#include "storage/uri.h"

static int add_upper(struct chooser *k, size_t root)
{
    const struct config_sized *s = &k->c->decision.storage.scratch;
    struct disk *upper;
    int r;

    k->d->v[root].use.overlay = true;
    if (strcmp(s->kind, "tmpfs") == 0) {
        k->d->v[root].use.upper_size = s->size == CONFIG_AUTO ? 0 : s->size;
        return 0;
    }
    if ((r = disk_add(k, DISK_SCRATCH, NULL, "w", &upper)) < 0)
        return r;
    upper->size = s->size == CONFIG_AUTO ? SCRATCH_AUTO : MAX(s->size, SCRATCH_MIN);
    upper->fs = xstrdup("ext4");
    upper->ipc.cache = HVP_CACHE_UNSAFE; /* it ends with the VM */
    upper->ipc.discard = 1;
    k->d->v[root].use.upper = upper->ipc.tag;
    return 0;
}

static int add_tree(struct chooser *k, const char *path, struct disk **ret)
{
    int r = disk_add(k, DISK_TREE, path, "r", ret);

    if (r == 0)
        (*ret)->fs = xstrdup("erofs");
    return r;
}

static int add_root(struct chooser *k, const struct storage_facts *f, enum storage_way way,
                    const char *path, struct disk_words *w)
{
    size_t at = k->d->n;
    struct disk *d;
    int r;

    if (way == STORAGE_TREE_IMAGE)
        r = add_tree(k, path, &d);
    else if (f->as_disk)
        r = disk_add_image(k, f, path, "r", w, &d);
    else
        r = disk_add_mounted(k, f, path, "r", &d);
    if (r < 0)
        return r;
    disk_use(d, PLAN_DISK_ROOT, 0);
    if (way == STORAGE_TREE_IMAGE || (f->as_disk && !w->writable))
        d->ipc.flags |= HVP_F_READONLY;
    return d->ipc.flags & HVP_F_READONLY ? add_upper(k, at) : 0;
}

/* "PATH[,OPTION...]" */
static char *split_source(const char *text, struct strv *ret_options)
{
    const char *p = strchr(text, ',');

    while (p) {
        cleanup_free char *option = xstrndup(p + 1, strcspn(p + 1, ","));

        strv_add(ret_options, option);
        p = strchr(p + 1, ',');
    }
    return xstrndup(text, strcspn(text, ","));
}

static int choose_network_root(struct chooser *k, const char *uri, struct disk_words *w)
{
    cleanup_call(storage_choice_done) struct storage_choice choice = {0};
    struct storage_facts f = {.rootfs = true, .uri = uri, .disks = disk_can_plug(k->c)};
    size_t at = k->d->n;
    struct disk *d;
    int r;

    if ((r = storage_decide(k->c->decision.storage.rootfs, &f, &choice, k->err)) < 0 ||
        (r = disk_add(k, DISK_NETWORK, NULL, "r", &d)) < 0 ||
        (r = disk_network_fill(d, k->c, uri, w, NULL, k->err)) < 0)
        return err_wrap(k->err, "class '%s': root file system", k->c->decision.cls);
    disk_apply_words(d, w);
    disk_use(d, PLAN_DISK_ROOT, 0);
    disk_note(k, "rootfs", &choice);
    if (!w->writable)
        d->ipc.flags |= HVP_F_READONLY;
    return w->writable ? 0 : add_upper(k, at);
}

int disk_choose_root(struct chooser *k)
{
    const struct decision *d = &k->c->decision;
    cleanup_call(disk_words_done) struct disk_words w = {0};
    cleanup_call(storage_choice_done) struct storage_choice choice = {0};
    cleanup_call(strv_done) struct strv options = {0};
    struct storage_facts f = {.rootfs = true,
                              .disks = disk_can_plug(k->c),
                              .writable_images = disk_images_are_writable(k->c),
                              .images = storage_tree_image_possible()};
    const char *image = kvs_get(&d->granted, POLICY_ANNOTATION_ROOTFS);
    cleanup_free char *path = image ? split_source(image, &options) : xstrdup(k->spec->rootfs);
    int r;

    if (image && storage_is_uri(path)) {
        r = disk_words_parse(&options, &w, k->err);
        return r < 0 ? r : choose_network_root(k, path, &w);
    }
    f.as_disk = image != NULL;
    if (!f.as_disk && d->storage.rootfs->n && strcmp(d->storage.rootfs->v[0], "9pfs") == 0) {
        strv_add(&k->d->why, "rootfs: 9pfs: the host's directory, shared");
        return 0;
    }
    if ((r = disk_words_parse(&options, &w, k->err)) < 0 ||
        (r = disk_look_at(path, &f.ours, k->spec->bundle, &f, k->err)) < 0)
        return err_wrap(k->err, "root file system");
    r = storage_decide(d->storage.rootfs, &f, &choice, k->err);
    if (r == 0 && choice.way != STORAGE_SHARE)
        r = add_root(k, &f, choice.way, path, &w);
    if (r == 0)
        disk_note(k, "rootfs", &choice);
    storage_mount_done(&f.mount);
    return r < 0 ? err_wrap(k->err, "class '%s': root file system '%s'", d->cls, path) : 0;
}
