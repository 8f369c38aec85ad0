/* SPDX-License-Identifier: Apache-2.0 */
/*
 * choice.h - how the disks of one bundle are chosen: the root (root.c), its mounts (volumes.c,
 * nfs.c, cinder.c) and its devices (devices.c), with what they share (disks.c). For these six.
 */
#ifndef CLI_DISK_CHOICE_H
#define CLI_DISK_CHOICE_H
#include "base/macros.h"
#include "cli/disks/disks.h"
#include "storage/disk.h"

#define SCRATCH_AUTO (10 * GIB) /* of which only what is written takes room */
#define SCRATCH_MIN (16 * MIB)  /* what mke2fs makes something of */

struct chooser {
    const char *id;
    const struct oci_spec *spec;
    const struct choice *c;
    struct disks *d;
    struct err *err;
};

/* A new disk; what is "r", "w", "m3", "d0". *ret is good until the next one. */
int disk_add(struct chooser *k, enum disk_origin origin, const char *source, const char *what,
             struct disk **ret);
void disk_use(struct disk *d, enum plan_disk_use use, size_t index);
void disk_note(struct chooser *k, const char *what, const struct storage_choice *c);
/* Of the back-end; NULL where it has not been asked: then it is the monitor's to find out. */
const struct hvp_caps *disk_known_caps(const struct choice *c);
bool disk_can_plug(const struct choice *c);
bool disk_images_are_writable(const struct choice *c);
void disk_apply_words(struct disk *d, struct disk_words *w); /* takes w's strings */
int disk_look_at(const char *path, bool *ret_ours, const char *bundle, struct storage_facts *f,
                 struct err *err);
/* Only a source that is that very block device still. */
int disk_check_node(const char *path, const struct storage_mount *m, struct err *err);
int disk_add_image(struct chooser *k, const struct storage_facts *f, const char *path,
                   const char *what, struct disk_words *w, struct disk **ret);
int disk_add_mounted(struct chooser *k, const struct storage_facts *f, const char *point,
                     const char *what, struct disk **ret);

int disk_choose_root(struct chooser *k);
int disk_choose_mount(struct chooser *k, size_t i);
int disk_choose_devices(struct chooser *k);
/* mounts[i], whose source is an nfs: URI */
int disk_choose_nfs(struct chooser *k, size_t i);

/* A connection_info by its name: where a pattern of storage.images fits. */
bool disk_is_connection(const char *source);
int disk_choose_cinder(struct chooser *k, size_t i, struct disk_words *w);
/* mounts[i] as what is found at the URI, or as the image or device of that path. */
int disk_choose_uri(struct chooser *k, size_t i, const char *uri, struct disk_words *w);
int disk_choose_image(struct chooser *k, size_t i, const char *path, struct disk_words *w);

#endif
