/* SPDX-License-Identifier: Apache-2.0 */
/* link: av_config */
/* Any bytes as a file of plugins.d: a descriptor that is complete, or a sentence with a place. */
#include <stdint.h>
#include <stdlib.h>
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct descriptor d;
    struct err err = ERR_INIT;

    if (descriptor_parse((const char *)data, len, "/d/f.yaml", "/lib", &d, &err) < 0) {
        if (!str_starts_with(err.msg, "/d/f.yaml:"))
            abort();
        return 0;
    }
    if (!d.name || !d.file || !d.arch || !d.so || d.so[0] != '/')
        abort();
    descriptor_done(&d);
    return 0;
}
