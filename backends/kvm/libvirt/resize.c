/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More memory for a running VM, and less: the device for it is described anew with another wish,
 * and libvirt's events tell how far the guest has come.  And more vCPUs, of which none is taken
 * away: what runs on it is the guest's.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include "kvm/memory.h"
#include "lv.h"

#define MIB (UINT64_C(1) << 20)

static int update(struct lv_call *c)
{
    return virDomainUpdateDeviceFlags(c->dom, c->text, VIR_DOMAIN_AFFECT_LIVE);
}

static int ask(struct lv_vm *vm, uint64_t more, const struct deadline *d, struct hvp_error *err)
{
    struct xml x = {0};

    lv_memory_xml(&x, vm->memory_room, more);
    return lv_say(vm, update, x.text, 0, d, "change the VM's memory", err);
}

static uint64_t now(struct lv_vm *vm)
{
    uint64_t count, more;

    (void)!read(vm->change_fd, &count, sizeof(count));
    pthread_mutex_lock(&vm->lock);
    more = vm->memory_more;
    pthread_mutex_unlock(&vm->lock);
    return more;
}

/* As far as the guest comes in the time there is; that it has not come far is no error. */
static int follow(struct lv_vm *vm, uint64_t more, const struct deadline *d, struct hvp_error *err)
{
    while (now(vm) != more) {
        struct pollfd p = {.fd = vm->change_fd, .events = POLLIN};
        int r = deadline_poll(d, &p, 1);

        if (r == -ETIMEDOUT)
            return 0;
        if (r < 0)
            return hvp_fail(err, -r, "wait for the guest to change its memory: %s", strerror(-r));
    }
    return 0;
}

int lv_vm_set_memory(void *p, uint64_t bytes, uint32_t timeout_ms, uint64_t *reached,
                     struct hvp_error *err)
{
    struct lv_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    uint64_t more;

    if (memory_check(vm->memory, vm->memory_max, bytes, err) < 0)
        return err->code;
    more = memory_more(vm->memory, bytes);
    if (ask(vm, more, &d, err) < 0)
        return err->code;
    if (more < now(vm))
        memory_limit_patience(&d);
    if (follow(vm, more, &d, err) < 0)
        return err->code;
    *reached = vm->memory + now(vm);
    return 0;
}

/* It may have more than are asked for: libvirt would take those away. */
static int add_vcpus(struct lv_call *c)
{
    int now = virDomainGetVcpusFlags(c->dom, VIR_DOMAIN_VCPU_LIVE);

    if (now >= 0 && (unsigned)now < c->number) {
        if (virDomainSetVcpusFlags(c->dom, (unsigned)c->number, VIR_DOMAIN_VCPU_LIVE) < 0)
            return -1;
        now = virDomainGetVcpusFlags(c->dom, VIR_DOMAIN_VCPU_LIVE);
    }
    c->info.nrVirtCpu = (unsigned short)(now < 0 ? 0 : now);
    return now < 0 ? -1 : 0;
}

int lv_vm_set_vcpus(void *p, uint32_t vcpus, uint32_t timeout_ms, uint32_t *reached,
                    struct hvp_error *err)
{
    struct lv_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    struct lv_call *c;
    int r;

    if (vcpus_check(vm->vcpus, vm->vcpus_max, vcpus, err) < 0 || lv_attach(vm, &d, err) < 0 ||
        !(c = lv_call_new(vm, add_vcpus, err)))
        return err->code;
    c->number = vcpus;
    r = lv_call_run(c, &d, "add vCPUs to the VM", err);
    if (r == 0)
        *reached = vm->vcpus_now = c->info.nrVirtCpu;
    lv_call_free(c);
    return r;
}
