/* SPDX-License-Identifier: Apache-2.0 */
/*
 * binary.h - which QEMU: the program's path, what identifies its build, its version.
 * Used by probe.c and vm.c.
 */
#ifndef KVM_BINARY_H
#define KVM_BINARY_H
#include <stddef.h>
#include "common/deadline.h"

#define BINARY_PATH_MAX 512

/* name: an absolute path, or a name for the usual directories.  -ENOENT, -EACCES. */
int binary_find(const char *name, char *path, size_t len, struct hvp_error *err);
/* A data file of QEMU (firmware); 0 = found. */
int binary_find_data(const char *name, char *path, size_t len);
/* Changes whenever the file does; at most 79 bytes. */
int binary_build_id(const char *path, char *id, size_t len, struct hvp_error *err);
/*
 * Version as QEMU prints it, "" when it cannot be had.  Asked once per build, then read from the
 * host's cache directory: starting QEMU costs more than all the rest of probe.
 */
void binary_version(const struct hvp_host *host, const char *path, const char *build_id,
                    char *version, size_t len, const struct deadline *d);

/* Mask of HVP_PROTO_* that this QEMU can open now; costs a few look-ups of files, or where it was
 * built without modules a question, asked once per build like the version. */
uint32_t binary_protocols(const struct hvp_host *host, const char *path, const char *build_id,
                          const struct deadline *d);

#endif
