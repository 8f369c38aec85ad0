/* SPDX-License-Identifier: Apache-2.0 */
/* Share or disk: the policy's words in order, against what the source is. No I/O. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "storage/disk.h"

/* An objection (malloc'ed), or NULL and *ret is filled. */
typedef char *attempt(const struct storage_facts *f, struct storage_choice *ret);

static char *take(struct storage_choice *ret, enum storage_way way, char *reason)
{
    ret->way = way;
    ret->reason = reason;
    return NULL;
}

static char *try_share(const struct storage_facts *f, struct storage_choice *ret)
{
    if (f->uri)
        return xstrdup("a network volume is no directory of the host");
    if (f->kind == STORAGE_BLOCK)
        return xstrdup("a block device is no directory");
    if (f->as_disk)
        return xstrdup("a disk image is no directory");
    return take(ret, STORAGE_SHARE, xstrdup("the host's directory, shared"));
}

/* A directory that a file system on a block device is mounted on. */
static char *try_device_mount(const struct storage_facts *f, struct storage_choice *ret)
{
    const struct storage_mount *m = &f->mount;

    if (!m->whole)
        return xasprintf("only a part of '%s' is mounted there", m->source);
    if (m->others)
        return xasprintf("'%s' is mounted at %u other place%s of the host, too", m->source,
                         m->others, m->others == 1 ? "" : "s");
    if (!f->ours)
        return xasprintf("'%s' is mounted by the host, and two kernels must not write to one "
                         "file system",
                         m->source);
    return take(ret, STORAGE_DISK,
                xasprintf("the device '%s' behind the mount, which the host lets go", m->source));
}

static char *try_block(const struct storage_facts *f, struct storage_choice *ret)
{
    char *why = NULL;

    if (f->uri)
        return xstrdup("a network volume is no device or image of the host");
    if (!f->disks)
        return xstrdup("the back-end cannot plug disks");
    if (f->kind == STORAGE_BLOCK)
        return take(ret, STORAGE_DISK, xstrdup("a block device"));
    if (f->as_disk && f->kind == STORAGE_FILE)
        return take(ret, STORAGE_DISK, xstrdup("a disk image"));
    if (f->as_disk)
        return xstrdup("it is neither a block device nor an image file");
    if (f->kind != STORAGE_DIR)
        return xstrdup("it is a single file");
    if (f->mount.found && f->mount.major != 0 && (why = try_device_mount(f, ret)) == NULL)
        return NULL;
    if (!f->rootfs && why)
        return why;
    free(why);
    if (!f->rootfs)
        return xstrdup("it is a directory of the host; for a disk use an image, a block device or "
                       "a mount of type anyvisor.block");
    if (f->writable_images)
        return xstrdup("the back-end takes no read-only images");
    if (!f->images)
        return xstrdup("'mkfs.erofs' is not installed (package erofs-utils)");
    return take(ret, STORAGE_TREE_IMAGE,
                xstrdup("a read-only image made of the directory, with a writable layer on top"));
}

static char *try_network(const struct storage_facts *f, struct storage_choice *ret)
{
    if (!f->uri)
        return xstrdup("it has no network address");
    if (f->files && !f->nics)
        return xstrdup("the back-end has no NICs, over which the guest could mount it");
    if (f->files)
        return take(ret, STORAGE_SERVER,
                    xstrdup("the guest mounts it over the container's network"));
    if (!f->disks)
        return xstrdup("the back-end cannot plug disks");
    return take(ret, STORAGE_DISK, xstrdup("a disk that the VMM opens over the network"));
}

static const struct {
    const char *word;
    attempt *fn;
} attempts[] = {{"9pfs", try_share}, {"block", try_block}, {"network", try_network}};

static char *try_word(const char *word, const struct storage_facts *f, struct storage_choice *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(attempts); i++)
        if (strcmp(attempts[i].word, word) == 0)
            return attempts[i].fn(f, ret);
    return xstrdup("there is no such storage");
}

static char *joined(char *list, const char *word, char *objection)
{
    char *longer = xasprintf("%s%s%s: %s", list ? list : "", list ? "; " : "", word, objection);

    free(list);
    free(objection);
    return longer;
}

int storage_decide(const struct strv *words, const struct storage_facts *facts,
                   struct storage_choice *ret, struct err *err)
{
    cleanup_free char *objections = NULL;
    struct storage_choice c = {0};

    for (size_t i = 0; i < words->n; i++) {
        char *why = try_word(words->v[i], facts, &c);

        if (why) {
            objections = joined(objections, words->v[i], why);
            continue;
        }
        c.word = xstrdup(words->v[i]);
        if (objections) {
            char *reason = xasprintf("%s (%s)", c.reason, objections);

            free(c.reason);
            c.reason = reason;
        }
        *ret = c;
        return 0;
    }
    if (!facts->rootfs && !facts->as_disk && !facts->uri && facts->kind == STORAGE_FILE) {
        *ret = (struct storage_choice){STORAGE_SHARE, xstrdup("9pfs"),
                                       xstrdup("a single file always goes through the share")};
        return 0;
    }
    return err_set_phase(err, PHASE_STORAGE, ENOTSUP, "%s",
                         objections ? objections : "the policy lists no storage");
}

void storage_choice_done(struct storage_choice *c)
{
    free(c->word);
    free(c->reason);
    *c = (struct storage_choice){0};
}
