/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/creation/grow.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/timing.h"
#include "cli/host_limits.h"
#include "policy/policy.h"

#define CPU_PERIOD_DEFAULT 100000u /* microseconds: the kernel's */

uint64_t grow_memory_limit(const struct oci_resources *r)
{
    return r->memory.limit.set && r->memory.limit.value > 0 ? (uint64_t)r->memory.limit.value : 0;
}

uint64_t grow_cpu_limit(const struct oci_resources *r)
{
    uint64_t period = r->cpu.period.value ? r->cpu.period.value : CPU_PERIOD_DEFAULT;
    uint64_t quota = r->cpu.quota.set && r->cpu.quota.value > 0 ? (uint64_t)r->cpu.quota.value : 0;
    uint64_t rest = quota % period;

    if (quota / period > UINT32_MAX)
        return UINT64_C(1000) * UINT32_MAX;
    /* A period is at most a second: the product is far from overflowing. */
    return quota / period * GROW_CPU + (rest * GROW_CPU + period - 1) / period;
}

static uint64_t sum_of(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* What is promised to those who live in the VM, when id has those limits. */
static struct grow_limits limits_together(const struct cli *cli, const struct state *vm,
                                          const char *id, const struct grow_limits *limits)
{
    cleanup_call(strv_done) struct strv ids = {0};
    struct grow_limits sum = *limits;

    (void)state_list(cli->root, &ids, NULL);
    for (size_t i = 0; i < ids.n; i++) {
        cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};

        if (strcmp(ids.v[i], id) == 0 || container_open(cli, ids.v[i], &c, NULL) < 0 ||
            !c.state.sandbox || strcmp(c.state.sandbox, vm->id) != 0 || c.status == STATE_STOPPED)
            continue;
        sum.memory = sum_of(sum.memory, c.state.memory_limit);
        sum.cpus = sum_of(sum.cpus, c.state.cpu_limit);
    }
    return sum;
}

static int ask(const struct cli *cli, const struct container *vm, uint16_t request,
               const struct wbuf *body, struct ipc_reply *reply, struct err *err)
{
    cleanup_fd int sock = container_connect(cli, vm, err);

    return sock < 0 ? sock
                    : ipc_call(sock, request, body, deadline_in_ms(CLI_REQUEST_MS), reply, err);
}

static int ask_memory(const struct cli *cli, const struct container *vm, uint64_t bytes,
                      uint64_t *ret_reached, struct err *err)
{
    cleanup_call(ipc_reply_done) struct ipc_reply reply = {0};
    cleanup_call(wbuf_done) struct wbuf body = {0};
    struct ipc_memory m = {.bytes = bytes};
    int r;

    ipc_memory_put(&body, &m);
    r = ask(cli, vm, IPC_MEMORY, &body, &reply, err);
    if (r == 0 && ipc_memory_get(wire_over(reply.body, reply.body_len), &m) < 0)
        r = err_set(err, EPROTO, "malformed answer to IPC_MEMORY");
    if (r == 0)
        *ret_reached = m.bytes;
    return r;
}

static int ask_vcpus(const struct cli *cli, const struct container *vm, uint32_t vcpus,
                     uint32_t *ret_reached, struct err *err)
{
    cleanup_call(ipc_reply_done) struct ipc_reply reply = {0};
    cleanup_call(wbuf_done) struct wbuf body = {0};
    struct ipc_vcpus m = {.vcpus = vcpus};
    int r;

    ipc_vcpus_put(&body, &m);
    r = ask(cli, vm, IPC_VCPUS, &body, &reply, err);
    if (r == 0 && ipc_vcpus_get(wire_over(reply.body, reply.body_len), &m) < 0)
        r = err_set(err, EPROTO, "malformed answer to IPC_VCPUS");
    if (r == 0)
        *ret_reached = m.vcpus;
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

/* The next one who asks finds a VM that is larger than its state says, and sets that right. */
static int write_down(struct container *vm, struct err *err)
{
    int r = fault_point("cli.vm-grown");

    r = r < 0 ? err_set(err, EIO, "fault cli.vm-grown") : state_write(&vm->dir, &vm->state, err);
    return r < 0 ? err_wrap(err, "the VM of container '%s' has grown", vm->state.id) : 0;
}

/* The host's limit first, for the guest touches its memory as soon as it has it. Why the VM has not
 * grown is in *why, what keeps that it has from being written down is returned. */
static int grow_memory(const struct cli *cli, struct container *vm, uint64_t bytes, struct err *why,
                       struct err *err)
{
    uint64_t before = vm->state.vm_memory, size = before;

    if (limit_host(vm, bytes, why) == 0)
        (void)ask_memory(cli, vm, bytes, &size, why);
    if (size != bytes)
        (void)limit_host(vm, size, NULL);
    if (size == before)
        return 0;
    log_info("the VM of container '%s' has %" PRIu64 " MiB now", vm->state.id, size / MIB);
    return write_down(vm, err);
}

static const char *or_no_more(const struct err *why)
{
    return why->code ? why->msg : "its guest has taken no more of what it was given";
}

static int memory_for(const struct cli *cli, struct container *vm, uint64_t together,
                      uint64_t limit, struct err *err)
{
    struct state *s = &vm->state;
    struct err why = ERR_INIT;
    uint64_t bytes = MIN(policy_vm_memory(together, s->vm_reserve), s->vm_memory_max);
    int r;

    if (limit == 0 || bytes <= s->vm_memory)
        return 0;
    if ((r = grow_memory(cli, vm, bytes, &why, err)) < 0)
        return r;
    if (limit > s->vm_memory)
        return err_set_phase(err, PHASE_POLICY, ERANGE,
                             "memory limit of %" PRIu64 " bytes is more than the %" PRIu64
                             " bytes that the VM of container '%s' has, and it gets no more: %s",
                             limit, s->vm_memory, s->id, or_no_more(&why));
    if (why.code)
        log_info("the VM of container '%s' keeps its size: %s", s->id, why.msg);
    return 0;
}

static int vcpus_for(const struct cli *cli, struct container *vm, uint64_t together, uint64_t limit,
                     struct err *err)
{
    struct state *s = &vm->state;
    struct err why = ERR_INIT;
    uint32_t before = s->vm_vcpus;
    uint64_t wanted = MIN(together / GROW_CPU + (together % GROW_CPU != 0), s->vm_vcpus_max);
    int r;

    if (limit == 0 || wanted <= before)
        return 0;
    (void)ask_vcpus(cli, vm, (uint32_t)wanted, &s->vm_vcpus, &why);
    if (s->vm_vcpus != before) {
        log_info("the VM of container '%s' has %" PRIu32 " processors now", s->id, s->vm_vcpus);
        if ((r = write_down(vm, err)) < 0)
            return r;
    }
    if (limit > (uint64_t)GROW_CPU * s->vm_vcpus)
        return err_set_phase(err, PHASE_POLICY, ERANGE,
                             "CPU quota of %.6g processors is more than the %" PRIu32
                             " that the VM of container '%s' has, and it gets no more: %s",
                             (double)limit / GROW_CPU, s->vm_vcpus, s->id, or_no_more(&why));
    if (why.code)
        log_info("the VM of container '%s' keeps its processors: %s", s->id, why.msg);
    return 0;
}

int grow_for(const struct cli *cli, struct container *vm, const char *id,
             const struct grow_limits *limits, struct err *err)
{
    struct state *s = &vm->state;
    struct grow_limits sum;
    int r;

    if (s->vm_memory_max <= s->vm_memory && s->vm_vcpus_max <= s->vm_vcpus)
        return 0;
    if (limits->memory == 0 && limits->cpus == 0)
        return 0;
    sum = limits_together(cli, s, id, limits);
    if ((r = memory_for(cli, vm, sum.memory, limits->memory, err)) < 0)
        return r;
    return vcpus_for(cli, vm, sum.cpus, limits->cpus, err);
}

int grow_for_member(const struct cli *cli, struct state *s, const char *id,
                    const struct grow_limits *limits, struct err *err)
{
    cleanup_call(container_close) struct container vm = {.dir = {-1, NULL}};
    int r;

    if ((limits->memory == 0 || s->vm_memory_max == 0) &&
        (limits->cpus == 0 || s->vm_vcpus_max == 0))
        return 0;
    if ((r = container_open_locked(cli, s->sandbox, &vm, err)) < 0 ||
        (r = grow_for(cli, &vm, id, limits, err)) < 0)
        return r;
    s->vm_memory = vm.state.vm_memory;
    s->vm_vcpus = vm.state.vm_vcpus;
    return 0;
}
