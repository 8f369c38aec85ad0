/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec_process.h - exec's command line or process file as an OCI process. For exec.c; pure but for
 * reading the file.
 */
#ifndef CLI_EXEC_PROCESS_H
#define CLI_EXEC_PROCESS_H
#include <stdbool.h>
#include "base/err.h"
#include "base/str.h"
#include "oci/oci.h"

struct exec_process_options {
    const char *file, *user, *cwd, *apparmor, *label;
    struct strv env, caps, gids;
    bool tty, no_new_privs;
};

/* words: NULL-terminated command, used without a file. Freed with oci_process_free. */
int exec_process(const struct exec_process_options *o, const struct oci_spec *container,
                 char **words, struct oci_process **ret, struct err *err);

/* "UID" or "UID:GID"; gid stays -1 when absent. */
int exec_parse_user(const char *text, int64_t *ret_uid, int64_t *ret_gid, struct err *err);

#endif
