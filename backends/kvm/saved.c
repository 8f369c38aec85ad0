/* SPDX-License-Identifier: Apache-2.0 */
#include "saved.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/file.h"
#include "common/util.h"

#define NOTE_NAME "vcpus"

int saved_vcpus_note(const char *dir, uint32_t made_with, uint32_t now, struct hvp_error *err)
{
    cleanup_free char *path = NULL;
    char text[16];
    int r;

    if (now <= made_with)
        return 0;
    if (asprintf(&path, "%s/" NOTE_NAME, dir) < 0) {
        path = NULL;
        return hvp_fail(err, ENOMEM, "out of memory for a path");
    }
    snprintf(text, sizeof(text), "%u\n", now);
    r = file_write_atomic(path, text);
    return r < 0 ? hvp_fail(err, -r, "write '%.300s': %s", path, strerror(-r)) : 0;
}

uint32_t saved_vcpus(const char *dir, uint32_t made_with, uint32_t most)
{
    cleanup_free char *path = NULL;
    char text[16];
    unsigned long n;

    if (asprintf(&path, "%s/" NOTE_NAME, dir) < 0)
        path = NULL;
    if (!path || file_read_text(path, text, sizeof(text)) <= 0)
        return made_with;
    n = strtoul(text, NULL, 10);
    return n < made_with ? made_with : n > most ? most : (uint32_t)n;
}
