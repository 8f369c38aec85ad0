/* SPDX-License-Identifier: Apache-2.0 */
/*
 * images.h - read-only images made of directories, kept for all containers of the same files.
 * For cli/disks/open.c. An image is named by what it was made of; it is complete and synced
 * before it has that name, so whatever is killed leaves the cache whole.
 */
#ifndef STORAGE_IMAGES_H
#define STORAGE_IMAGES_H
#include "base/sha256.h"
#include "base/str.h"

struct storage_cache {
    const char *dir;
    uint64_t max_size; /* bytes; the least recently used ones go */
    int cancel_fd;     /* readable: stop making an image, or waiting for who does; 0 = never */
};

struct storage_tree_image {
    int fd;     /* a detached mount of the image file: it lives on when the cache drops it */
    bool built; /* by this call */
    char *note; /* why a cached one was thrown away; NULL = none was */
};

/* The image of the tree: from the cache, or made. Who makes the same one waits for the first. */
int storage_tree_image_get(const struct storage_cache *cache, const char *tree,
                           struct storage_tree_image *ret, struct err *err);
bool storage_tree_image_possible(void); /* mkfs.erofs is there */

/* Remove what makers that were killed have left in the cache's folder. */
void storage_cache_sweep(const char *dir);

/*
 * identity.c: what names the image. Of an overlay mount the lower directories, which engines never
 * change, and what its upper one holds; of others every file's place, owner, size and times.
 */
int storage_tree_identity(const char *tree, char ret[SHA256_HEX], struct err *err);

#endif
