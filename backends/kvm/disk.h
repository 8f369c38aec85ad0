/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk.h - where a disk's bytes come from, as QEMU's block nodes: files, block devices, NBD, iSCSI
 * and RBD, with the objects that hold their credentials.  Used by device.c, cmdline.c, hotplug.c.
 *
 * A password never passes through a command line, a QMP message or a log: QEMU reads it from a
 * descriptor that disk_secret_open made.
 */
#ifndef KVM_DISK_H
#define KVM_DISK_H
#include <json-c/json.h>
#include <stdbool.h>
#include <anyvisor/hvp.h>

#define DISK_SECRET_MAX 4096 /* bytes of a password or key */

/* Protocol, format and options that this back-end knows, else -EINVAL or -ENOTSUP. */
int disk_check(const struct hvp_disk *k, struct hvp_error *err);

/* The block node "n-TAG": format above protocol. New, the caller puts it. */
struct json_object *disk_node(const struct hvp_disk *k);

/*
 * The objects that the node refers to, to be made before it: "s-TAG" where there is a secret_file,
 * read from secret_fd as QEMU numbers it, and "c-TAG" where disk_has_tls.
 */
struct json_object *disk_secret(const struct hvp_disk *k, int secret_fd);
bool disk_has_tls(const struct hvp_disk *k);
struct json_object *disk_tls(const struct hvp_disk *k);

/*
 * Content of the disk's secret file, without the newline that editors put at its end, in anonymous
 * memory that nobody can change any more.
 */
int disk_secret_open(const struct hvp_disk *k, int *ret_fd, struct hvp_error *err);

#endif
