/* SPDX-License-Identifier: Apache-2.0 */
/* link: av_storage */
/* Any text as a connection_info: what is taken is complete, and its URI has no second meaning. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "storage/connection.h"
#include "storage/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The URI may be refused (a pool without a name), but not with the secret in the sentence. */
static void check(const struct storage_connection *c)
{
    struct storage_uri u = {0};
    struct err err = ERR_INIT;

    if (!c->type || (!c->uri && !c->path) || (c->nfs_export && strchr(c->path, '/')))
        abort();
    if (!c->uri)
        return;
    if (!storage_is_uri(c->uri))
        abort();
    if (storage_uri_parse(c->uri, &u, &err) < 0) {
        if (!err.msg[0])
            abort();
        return;
    }
    if ((strcmp(c->type, "rbd") == 0) != (u.protocol == STORAGE_RBD) || u.conf || u.socket)
        abort();
    storage_uri_done(&u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = xstrndup((const char *)data, len);
    struct storage_connection c = {0};
    struct err err = ERR_INIT;

    if (storage_connection_parse(text, "fuzz", NULL, &c, &err) == 0) {
        check(&c);
        storage_connection_done(&c);
    } else if (!err.msg[0]) {
        abort();
    }
    free(text);
    return 0;
}
