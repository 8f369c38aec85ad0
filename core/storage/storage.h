/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage.h - host directories and files on their way into a sandbox's share: looked at, and taken
 * out of the caller's mount namespace as detached mounts. For create in the CLI, which passes the
 * descriptors to the monitor. Errors carry PHASE_STORAGE.
 */
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

enum storage_kind {
    STORAGE_DIR,
    STORAGE_FILE,
    STORAGE_SOCKET,
    STORAGE_DEVICE, /* of characters */
    STORAGE_BLOCK,
    STORAGE_FIFO,
};

struct storage_source {
    enum storage_kind kind;
    bool on_tmpfs;
    uint64_t fs_size; /* bytes; 0 = unlimited */
    uint64_t fs_id;   /* st_dev: equal for all sources of one file system */
    uint32_t mode;    /* permission bits */
    bool shared;      /* what is mounted below it shows up in other mount namespaces, too */
    uint64_t id;      /* equal for two paths to one file with the same mounts below it */
};

/* What a bind source is; symbolic links are followed, as mount(2) does. Never opens a device. */
int storage_inspect(const char *path, struct storage_source *ret, struct err *err);

struct storage_bind {
    const char *path;
    bool is_file;   /* what the plan took it for: anything else now is a race, and refused */
    bool recursive; /* with the mounts below it */
    bool slave;     /* later mounts of the host below it shall appear */
    bool readonly;  /* the mount itself: those below it keep their own */
};

/*
 * A detached copy of the mount tree at path, private (or a slave of it), nodev and nosuid all over,
 * that is attached nowhere and vanishes with its descriptor. Sockets are refused: they lead nowhere
 * across kernels.
 */
int storage_clone(const struct storage_bind *bind, int *ret_fd, struct err *err);

#endif
