/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uri.h - network volumes named by URIs, taken apart and checked: where the data is, never with a
 * password. For the CLI, which makes disks of them, and config check.
 *
 *     nbd://HOST[:PORT]/EXPORT             nbds://[USER@]HOST[:PORT]/EXPORT?tls-hostname=NAME
 *     nbd+unix:///EXPORT?socket=PATH       iscsi://[USER@]HOST[:PORT]/TARGET/LUN?initiator=NAME
 *     rbd:POOL/[NAMESPACE/]IMAGE?user=USER&conf=PATH&mon=HOST:PORT,HOST:PORT
 *     nfs://HOST[:PORT]/PATH
 *
 * All but nfs: also take format=raw|qcow2, and all but rbd: and nfs: timeout=SECONDS.
 */
#ifndef STORAGE_URI_H
#define STORAGE_URI_H
#include <stdbool.h>
#include "base/err.h"
#include "base/str.h"

#define STORAGE_URI_MAX 2048 /* bytes */

enum storage_protocol { STORAGE_NBD = 1, STORAGE_ISCSI, STORAGE_RBD, STORAGE_NFS };

struct storage_uri {
    enum storage_protocol protocol;
    bool tls;            /* nbds: the secret is a directory of credentials, not a password */
    bool needs_secret;   /* names a user, or is nbds */
    struct kvs options;  /* those of hvp_disk that are no paths of the host */
    char *socket, *conf; /* absolute paths of the host; NULL = none */
    char *format;        /* "raw", "qcow2"; NULL = not said */
    char *server, *path; /* NFS */
    char *shown;         /* for messages: without user and query */
};

/* Whether text begins with one of the schemes: then it is no path. */
bool storage_is_uri(const char *text);

/* -EINVAL with a sentence that names the URI as it may be shown, and what is wrong with it. */
int storage_uri_parse(const char *text, struct storage_uri *ret, struct err *err);
void storage_uri_done(struct storage_uri *u);

#endif
