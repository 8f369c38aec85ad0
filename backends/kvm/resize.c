/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More memory for a running VM, and less.  QEMU tells the guest how much it may have; the guest's
 * driver takes it, or gives it back as far as it can spare it, and QEMU tells in events how far it
 * is.
 */
#include <errno.h>
#include <string.h>
#include "json.h"
#include "kvm.h"
#include "memory.h"

#define ANSWER_MS 5000u
#define DEVICE_PATH "/machine/peripheral/" MEMORY_ID

void kvm_on_memory(struct kvm_vm *vm, struct json_object *data)
{
    struct json_object *size;

    if (strcmp(qmp_text(data, "id", ""), MEMORY_ID) == 0 &&
        json_object_object_get_ex(data, "size", &size))
        vm->memory_more = json_object_get_uint64(size);
}

static struct json_object *property(const char *name)
{
    struct json_object *o = json_object_new_object();

    json_add_text(o, "path", DEVICE_PATH);
    json_add_text(o, "property", name);
    return o;
}

/* QEMU spares us all but one event in a second: the last one may be on its way. */
static int ask_size(struct kvm_vm *vm, struct hvp_error *err)
{
    struct deadline d = deadline_start(vm->inst->host, ANSWER_MS);
    struct json_object *size = NULL;

    if (kvm_qmp(vm, "qom-get", property("size"), &size, &d, err) < 0)
        return err->code;
    vm->memory_more = json_object_get_uint64(size);
    json_object_put(size);
    return 0;
}

/* As far as the guest comes in the time there is; that it has not come far is no error. */
static int resize(struct kvm_vm *vm, uint64_t more, struct deadline *d, struct hvp_error *err)
{
    struct json_object *args = property("requested-size");

    json_object_object_add(args, "value", json_object_new_uint64(more));
    if (kvm_qmp(vm, "qom-set", args, NULL, d, err) < 0)
        return err->code;
    vm->memory_wanted = more;
    if (more < vm->memory_more)
        memory_limit_patience(d);
    if (kvm_wait_memory(vm, d, err) == 0)
        return 0;
    return err->code == -ETIMEDOUT ? ask_size(vm, err) : err->code;
}

int kvm_vm_set_memory(void *p, uint64_t bytes, uint32_t timeout_ms, uint64_t *reached,
                      struct hvp_error *err)
{
    struct kvm_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);

    if (memory_check(vm->memory, vm->memory_max, bytes, err) < 0 ||
        resize(vm, memory_more(vm->memory, bytes), &d, err) < 0)
        return err->code;
    *reached = vm->memory + vm->memory_more;
    return 0;
}
