/* SPDX-License-Identifier: Apache-2.0 */
/* Chosen disks become descriptors that the monitor can mount where the VMM sees them. */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fault.h"
#include "cli/disks/disks.h"
#include "storage/disk.h"
#include "storage/images.h"

static int open_scratch(struct disk *d, const char *dir, int *ret, struct err *err)
{
    int r = storage_scratch_make(dir, d->size, &d->name, err);

    return r < 0 ? r : storage_clone_file(d->name, false, ret, err);
}

void disks_unname(struct disks *d)
{
    for (size_t i = 0; i < d->n; i++) {
        if (d->v[i].name)
            (void)unlink(d->v[i].name);
        free(steal_ptr(&d->v[i].name));
    }
}

static int open_tree_image(struct disk *d, const struct choice *c, int cancel_fd, int *ret,
                           struct err *err)
{
    const struct storage_cache cache = {c->config.cache.dir, c->config.cache.max_size, cancel_fd};
    struct storage_tree_image image;
    int r = storage_tree_image_get(&cache, d->source, &image, err);

    if (r < 0)
        return r;
    if (image.note)
        log_warn("%s", image.note);
    free(image.note);
    *ret = image.fd;
    return 0;
}

/* The file system was mounted for this container alone: from now on it is the guest's. */
static int let_go(struct disk *d, struct err *err)
{
    if (!d->unmount)
        return 0;
    if (umount2(d->unmount, UMOUNT_NOFOLLOW) == 0) {
        free(steal_ptr(&d->unmount));
        return 0;
    }
    return err_set_phase(err, PHASE_STORAGE, errno,
                         "unmount '%s' from '%s', so that only the guest uses it: %m", d->source,
                         d->unmount);
}

static int open_disk(struct disk *d, const struct choice *c, int cancel_fd, int *ret,
                     struct err *err)
{
    switch (d->origin) {
    case DISK_SCRATCH:
        return open_scratch(d, c->config.cache.dir, ret, err);
    case DISK_TREE:
        return open_tree_image(d, c, cancel_fd, ret, err);
    default:
        return storage_clone_file(d->source, d->ipc.flags & HVP_F_READONLY, ret, err);
    }
}

/* Last, when nothing else can fail here: nobody mounts it again on the host, where the guest may
 * have written to it by then. */
static int let_all_go(struct disks *d, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < d->n && r == 0; i++)
        r = let_go(&d->v[i], err);
    return r;
}

int disks_open(struct disks *d, const struct choice *c, const char *dir, int cancel_fd,
               struct err *err)
{
    size_t n = 0;
    int r = disks_resolve(d, err);

    if (r < 0)
        return r;
    disks_close(d);
    disks_unname(d);
    for (size_t i = 0; i < d->n; i++)
        n += ipc_disk_fds(&d->v[i].ipc);
    d->fds = xcalloc(n + 1, sizeof(*d->fds));
    for (size_t i = 0; i < d->n; i++) {
        bool network = d->v[i].origin == DISK_NETWORK;

        r = network ? disk_network_open(&d->v[i], dir, d->fds, &d->n_fds, err)
                    : open_disk(&d->v[i], c, cancel_fd, &d->fds[d->n_fds], err);

        if (r < 0)
            return r;
        d->n_fds += !network;
    }
    if (fault_point("cli.disks") < 0)
        return err_set(err, EIO, "fault cli.disks");
    return let_all_go(d, err);
}

void disks_close(struct disks *d)
{
    while (d->n_fds > 0)
        close_fd(&d->fds[--d->n_fds]);
    free(steal_ptr(&d->fds));
}
