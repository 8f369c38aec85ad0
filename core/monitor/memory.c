/* SPDX-License-Identifier: Apache-2.0 */
/* More memory for the VM, when a container asks for it. It never becomes less: what its guest has
 * touched it keeps anyway. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include "monitor/monitor.h"

/* A guest on a busy host that emulates it takes seconds to make use of it. */
#define GROW_TIMEOUT_MS 30000

struct memory_job {
    struct job job; /* first: the worker's handle */
    struct monitor *m;
    struct reply_to to;
    struct ipc_memory msg; /* then what the VM has */
    struct err err;
};

static void memory_run(struct job *j)
{
    struct memory_job *g = (struct memory_job *)j;
    struct monitor *m = g->m;
    uint64_t *now = &m->boot.memory;

    if (!m->boot.vm)
        err_set_phase(&g->err, PHASE_VMM, ESHUTDOWN, "the VM is gone");
    else if (!(plugin_caps(m->boot.plugin)->flags & HVP_CAP_SET_MEMORY))
        err_set_phase(&g->err, PHASE_VMM, ENOTSUP,
                      "back-end '%s' cannot give a running VM more memory", m->spec.descriptor);
    else if (g->msg.bytes > *now)
        (void)plugin_vm_set_memory(m->boot.vm, g->msg.bytes, GROW_TIMEOUT_MS, now, &g->err);
    g->msg.bytes = *now;
}

static void memory_done(struct job *j)
{
    struct memory_job *g = (struct memory_job *)j;
    struct wbuf body = {0};

    ipc_memory_put(&body, &g->msg);
    if (g->err.code)
        reply_err(g->m, &g->to, &g->err);
    else
        reply_ok(g->m, &g->to, body.data, body.len);
    wbuf_done(&body);
    free(g);
}

void memory_grow(struct monitor *m, struct reply_to to, const struct ipc_memory *msg)
{
    struct memory_job *g = xcalloc(1, sizeof(*g));

    *g = (struct memory_job){.job = {.run = memory_run, .done = memory_done},
                             .m = m,
                             .to = to,
                             .msg = *msg,
                             .err = ERR_INIT};
    worker_push(&m->worker, &g->job);
}
