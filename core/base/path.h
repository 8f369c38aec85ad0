/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path.h - files by path or below a directory that is not trusted.
 * For state, config, storage; the openat2 forms are for paths that bundles choose.
 */
#ifndef BASE_PATH_H
#define BASE_PATH_H
#include <stddef.h>
#include <sys/types.h>
#include "base/err.h"

/* mkdir -p; existing directories are fine. */
int path_mkdirs(const char *path, mode_t mode, struct err *err);

/* "a/b" from a and b without doubled slashes; caller frees; never NULL (aborts without memory). */
char *path_join(const char *a, const char *b);

/* Whole small file, NUL-terminated; see fd_read_all. dirfd may be AT_FDCWD. */
int path_read(int dirfd, const char *path, size_t max, char **ret_buf, size_t *ret_len,
              struct err *err);

/* The file's last lines, 1200 bytes at most, control bytes removed; "" without any. To be freed. */
char *path_tail(int dirfd, const char *path, unsigned lines);

/* Write text over an existing file (cgroup, proc, sysctl): open O_WRONLY|O_TRUNC, one write. */
int path_write(int dirfd, const char *path, const char *text, struct err *err);

/* Replace a file atomically: temporary file, fsync, rename. */
int path_replace(int dirfd, const char *name, const void *buf, size_t len, mode_t mode,
                 struct err *err);

/* openat2 with RESOLVE_IN_ROOT (symlinks are taken relative to root) or RESOLVE_BENEATH. Returns
 * fd. */
int path_open_in_root(int rootfd, const char *path, int flags, struct err *err);
int path_open_beneath(int dirfd, const char *path, int flags, struct err *err);

/* Remove a tree below dirfd without crossing mounts or following links; a missing one is fine. */
int path_remove_tree(int dirfd, const char *name, struct err *err);

#endif
