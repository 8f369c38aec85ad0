/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk.h - file systems of the host that travel as disks instead of through the share: which do,
 * what an image file is, what device is behind a mount point. For create and explain in the CLI.
 * Nothing here mounts: what is on a guest's disk is never the host kernel's to read.
 */
#ifndef STORAGE_DISK_H
#define STORAGE_DISK_H
#include "base/str.h"
#include "storage/storage.h"

/* The mount that a path is the root of, and who else in this namespace has its device mounted. */
struct storage_mount {
    bool found;            /* the path is a mount point; all else is only valid then */
    bool whole, readonly;  /* whole: all of the file system, no subdirectory or subvolume of it */
    uint32_t major, minor; /* of the file system; major 0 = no block device */
    char *fs_type, *source;
    unsigned others; /* mounts of the same device at other places */
};
/* From the text of /proc/self/mountinfo; path is canonical. */
void storage_mount_parse(const char *mountinfo, const char *path, struct storage_mount *ret);
int storage_mount_at(const char *path, struct storage_mount *ret, struct err *err);
void storage_mount_done(struct storage_mount *m);
/* Where the file system of that source and a type that begins so is mounted as a whole
 * ("/srv/nfs"); malloc'ed, *ret NULL = nowhere. */
char *storage_mount_find(const char *mountinfo, const char *source, const char *fs_type);
int storage_mount_of(const char *source, const char *fs_type, char **ret, struct err *err);
/* overlay's option ("lowerdir"), unescaped; NULL = has none. Malloc'ed. */
char *storage_mount_option(const char *mountinfo, const char *path, const char *key);

/*
 * Format of an image file: word ("raw", "qcow2"), or NULL: by its name, raw unless it ends in
 * ".qcow2". What is in a file that a guest writes never decides: a guest could make a raw image
 * look like one that names another file of the host. Images that do so are refused.
 */
int storage_image_format(const char *path, const char *word, const char **ret, struct err *err);

/* Whether a raw image or device holds a file system that cannot be written: squashfs, erofs. */
bool storage_image_readonly(const char *path);

enum storage_way { STORAGE_SHARE = 1, STORAGE_DISK, STORAGE_TREE_IMAGE, STORAGE_SERVER };

/* What storage_decide looks at; gathered by the caller. */
struct storage_facts {
    bool rootfs;     /* else a volume */
    bool as_disk;    /* the bundle asks for a disk: anyvisor.block, linux.devices, annotation */
    const char *uri; /* of a network volume; NULL = a path of the host */
    enum storage_kind kind; /* of the source */
    struct storage_mount mount;
    bool ours;            /* the mount was made for this container */
    bool images;          /* images of directories can be made */
    bool disks;           /* the back-end can plug disks, as far as is known */
    bool writable_images; /* the back-end cannot give a guest an image read-only */
    bool files;           /* the volume is one of files (NFS), which the guest mounts */
    bool nics;            /* the back-end has NICs, as far as is known */
};

struct storage_choice {
    enum storage_way way;
    char *word;   /* "9pfs", "block", "network" */
    char *reason; /* why this way; for explain */
};

/*
 * The first of the words that can carry the source. -ENOTSUP with every word's objection when none
 * can. A single file that is no disk always goes through the share: engines bind resolv.conf and
 * the like into every container.
 */
int storage_decide(const struct strv *words, const struct storage_facts *facts,
                   struct storage_choice *ret, struct err *err);
void storage_choice_done(struct storage_choice *c);

/*
 * A new empty file system for a writable layer or a scratch volume: *ret_path, malloc'ed, in dir.
 * The caller removes the name once the monitor has the file; what callers that were killed have
 * left there is removed on the way.
 */
int storage_scratch_make(const char *dir, uint64_t size, char **ret_path, struct err *err);
void storage_scratch_sweep(const char *dir);

/* A detached mount of a file or device node: nosuid, noexec. */
int storage_clone_file(const char *path, bool readonly, int *ret_fd, struct err *err);

#endif
