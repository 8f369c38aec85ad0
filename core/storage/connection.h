/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection.h - Cinder's connection_info, the JSON that os-brick and Nova attach volumes by, taken
 * apart and checked: what a VMM needs to open the volume itself. For the CLI, which makes disks of
 * it.
 */
#ifndef STORAGE_CONNECTION_H
#define STORAGE_CONNECTION_H
#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "base/str.h"

#define STORAGE_CONNECTION_MAX 65536 /* bytes of JSON */

struct storage_connection {
    char *type;         /* its driver_volume_type: "rbd", "iscsi", "nfs", "local" */
    char *uri;          /* rbd, iscsi: for storage_uri_parse; without a secret */
    char *path;         /* local: a device; nfs: name of the image file in the export */
    char *nfs_export;   /* nfs: "HOST:/PATH" */
    const char *format; /* nfs: "raw" or "qcow2", as Cinder says */
    char *secret;       /* the password or key itself, where it came along; never to be shown */
    char *secret_name;  /* Ceph: the UUID of libvirt's secret */
    bool readonly, discard;
    struct strv ignored; /* what it asks for and does not get, in words */
};

/*
 * text is {"driver_volume_type": ..., "data": {...}}, or with the members of data beside it, as
 * attachments have it. file names it for messages; initiator is this host's iSCSI name, NULL =
 * unknown. Errors never hold values of the text.
 */
int storage_connection_parse(const char *text, const char *file, const char *initiator,
                             struct storage_connection *ret, struct err *err);
void storage_connection_done(struct storage_connection *c);

/* A volume that an annotation asks for. */
struct storage_wish {
    char *destination;
    char *connection; /* JSON text for storage_connection_parse */
    struct strv options;
};
/* {"destination": PATH, "options": [...], "connection_info": {...}} */
int storage_wish_parse(const char *text, const char *name, struct storage_wish *ret,
                       struct err *err);
void storage_wish_done(struct storage_wish *w);

#endif
