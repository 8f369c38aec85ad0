/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/creation/proxy_command.h"
#include <string.h>
#include "base/cleanup.h"

/* A proxy pays for its words with its own memory; no ps shows more. */
#define WORDS_MAX 4096

static void add_words(const struct strv *args, struct strv *ret)
{
    size_t left = WORDS_MAX;

    for (size_t i = 0; i < args->n && left > 0; i++) {
        cleanup_free char *word = xstrdup(args->v[i]);
        size_t len = strlen(word);

        if (len >= left)
            word[left - 1] = '\0';
        left -= MIN(len + 1, left);
        strv_add(ret, word);
    }
}

void proxy_command_make(const struct oci_process *process, const char *state_dir,
                        struct proxy_command *ret)
{
    cleanup_free char *state = xasprintf(PROXY_STATE_ENV "=%s", state_dir);

    *ret = (struct proxy_command){0};
    add_words(&process->args, &ret->argv);
    if (ret->argv.n == 0)
        strv_add(&ret->argv, "anyvisor-proxy");
    strv_add(&ret->env, state);
    if (process->terminal)
        strv_add(&ret->env, "ANYVISOR_TERMINAL=1");
}

void proxy_command_done(struct proxy_command *c)
{
    strv_done(&c->argv);
    strv_done(&c->env);
}
