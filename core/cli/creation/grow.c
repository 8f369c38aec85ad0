/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/creation/grow.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/log.h"
#include "base/timing.h"
#include "cli/host_limits.h"
#include "policy/policy.h"

uint64_t grow_limit(const struct oci_resources *r)
{
    return r->memory.limit.set && r->memory.limit.value > 0 ? (uint64_t)r->memory.limit.value : 0;
}

/* What is promised to those who live in the VM, when id has that limit. */
static uint64_t limits_together(const struct cli *cli, const struct state *vm, const char *id,
                                uint64_t limit)
{
    cleanup_call(strv_done) struct strv ids = {0};
    uint64_t sum = limit;

    (void)state_list(cli->root, &ids, NULL);
    for (size_t i = 0; i < ids.n; i++) {
        cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};

        if (strcmp(ids.v[i], id) == 0 || container_open(cli, ids.v[i], &c, NULL) < 0 ||
            !c.state.sandbox || strcmp(c.state.sandbox, vm->id) != 0 || c.status == STATE_STOPPED)
            continue;
        if (__builtin_add_overflow(sum, c.state.memory_limit, &sum))
            sum = UINT64_MAX;
    }
    return sum;
}

static int ask(const struct cli *cli, const struct container *vm, uint64_t bytes,
               uint64_t *ret_reached, struct err *err)
{
    cleanup_call(ipc_reply_done) struct ipc_reply reply = {0};
    cleanup_call(wbuf_done) struct wbuf body = {0};
    cleanup_fd int sock = container_connect(cli, vm, err);
    struct ipc_memory m = {.bytes = bytes};
    int r;

    if (sock < 0)
        return sock;
    ipc_memory_put(&body, &m);
    r = ipc_call(sock, IPC_MEMORY, &body, deadline_in_ms(CLI_REQUEST_MS), &reply, err);
    if (r == 0 && ipc_memory_get(wire_over(reply.body, reply.body_len), &m) < 0)
        r = err_set(err, EPROTO, "malformed answer to IPC_MEMORY");
    if (r == 0)
        *ret_reached = m.bytes;
    return r;
}

static int limit_host(struct container *vm, uint64_t bytes, struct err *err)
{
    uint64_t limit = vm->state.memory_limit;
    const struct oci_resources limited = {
        .memory.limit = {.set = limit > 0, .value = (int64_t)limit}};

    vm->state.vm_memory = bytes;
    return host_limits_write(vm, &limited, err);
}

/* The host's limit first, for the guest touches its memory as soon as it has it. */
static int grow(const struct cli *cli, struct container *vm, uint64_t bytes, struct err *err)
{
    uint64_t size = vm->state.vm_memory;
    int r = limit_host(vm, bytes, err);

    if (r == 0)
        r = ask(cli, vm, bytes, &size, err);
    if (size < bytes)
        (void)limit_host(vm, size, NULL);
    vm->state.vm_memory = size;
    return r < 0 ? r : state_write(&vm->dir, &vm->state, err);
}

int grow_for(const struct cli *cli, struct container *vm, const char *id, uint64_t limit,
             struct err *err)
{
    struct state *s = &vm->state;
    struct err why = ERR_INIT;
    uint64_t bytes;

    if (limit == 0 || s->vm_memory_max <= s->vm_memory)
        return 0;
    bytes = policy_vm_memory(limits_together(cli, s, id, limit), s->vm_reserve);
    bytes = MIN(bytes, s->vm_memory_max);
    if (bytes <= s->vm_memory)
        return 0;
    if (grow(cli, vm, bytes, &why) == 0)
        log_info("the VM of container '%s' has %" PRIu64 " MiB now", s->id, s->vm_memory / MIB);
    if (limit > s->vm_memory)
        return err_set_phase(err, PHASE_POLICY, ERANGE,
                             "memory limit of %" PRIu64 " bytes is more than the %" PRIu64
                             " bytes that the VM of container '%s' has, and it gets no more: %s",
                             limit, s->vm_memory, s->id,
                             why.code ? why.msg
                                      : "its guest has taken no more of what it was given");
    if (why.code)
        log_info("the VM of container '%s' keeps its size: %s", s->id, why.msg);
    return 0;
}

int grow_for_member(const struct cli *cli, struct state *s, const char *id, uint64_t limit,
                    struct err *err)
{
    cleanup_call(container_close) struct container vm = {.dir = {-1, NULL}};
    int r;

    if (limit == 0 || s->vm_memory_max == 0)
        return 0;
    if ((r = container_open_locked(cli, s->sandbox, &vm, err)) < 0 ||
        (r = grow_for(cli, &vm, id, limit, err)) < 0)
        return r;
    s->vm_memory = vm.state.vm_memory;
    return 0;
}
