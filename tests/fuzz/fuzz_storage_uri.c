/* SPDX-License-Identifier: Apache-2.0 */
/* link: av_storage */
/* Any text as the URI of a volume: what is taken is complete and cannot carry a second option. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "storage/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(const struct storage_uri *u)
{
    bool located = u->socket || u->server || kvs_get(&u->options, "host") ||
                   kvs_get(&u->options, "portal") || kvs_get(&u->options, "image");

    if (!located || !u->shown || (u->tls && !u->needs_secret) || (u->socket && *u->socket != '/'))
        abort();
    for (size_t i = 0; i < u->options.n; i++)
        for (const char *c = u->options.v[i].value; *c; c++)
            if ((unsigned char)*c < ' ')
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = xstrndup((const char *)data, len);
    struct storage_uri u = {0};
    struct err err = ERR_INIT;

    if (storage_uri_parse(text, &u, &err) == 0) {
        check(&u);
        storage_uri_done(&u);
    } else if (!err.msg[0]) {
        abort();
    }
    free(text);
    return 0;
}
