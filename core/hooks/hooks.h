/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks.h - OCI hooks that run on the host: state on stdin, timeout, what they said on failure.
 * For create, start and delete in the CLI; startContainer hooks run in the guest (plan).
 */
#ifndef HOOKS_HOOKS_H
#define HOOKS_HOOKS_H
#include <stdbool.h>
#include "base/err.h"
#include "oci/oci.h"

struct hooks_run {
    enum oci_hook_kind kind; /* for messages */
    const char *state_json;  /* each hook reads it from stdin */
    const char *cwd;         /* the bundle; NULL = stay */
    const int *namespaces;   /* to join before exec; mount namespace last */
    size_t n_namespaces;
    bool can_cancel;
    int cancel_fd; /* with can_cancel: readable = kill the hook and fail with -EINTR */
};

/* One after the other; the first that fails ends it: "error running prestart hook #0: ...". */
int hooks_run(const struct oci_hooks *hooks, const struct hooks_run *how, struct err *err);

/* For poststart and poststop: all of them run, each failure is told to warn. */
void hooks_run_all(const struct oci_hooks *hooks, const struct hooks_run *how,
                   void (*warn)(const char *sentence));

#endif
