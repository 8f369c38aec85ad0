/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More vCPUs for a running VM.  QEMU tells which ones its board has places for, and what to say to
 * have one; the guest is told by the board.  None is taken away: what runs on it is the guest's.
 */
#include <errno.h>
#include <string.h>
#include "json.h"
#include "kvm.h"
#include "memory.h"

static size_t length(struct json_object *list)
{
    return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

static bool is_there(struct json_object *place)
{
    return json_object_object_get_ex(place, "qom-path", NULL);
}

/* QEMU lists the last place first. NULL: all are taken. */
static struct json_object *next_place(struct json_object *places, uint32_t *ret_taken)
{
    struct json_object *next = NULL;

    *ret_taken = 0;
    for (size_t i = 0; i < length(places); i++) {
        struct json_object *place = json_object_array_get_idx(places, i);

        if (is_there(place))
            ++*ret_taken;
        else
            next = place;
    }
    return next;
}

static struct json_object *describe(struct json_object *place, uint32_t number)
{
    struct json_object *o = json_object_new_object(), *props = NULL;
    char id[24];

    snprintf(id, sizeof(id), "vcpu%u", number);
    json_add_text(o, "driver", qmp_text(place, "type", ""));
    json_add_text(o, "id", id);
    if (json_object_object_get_ex(place, "props", &props)) {
        json_object_object_foreach(props, key, value)
            json_object_object_add(o, key, json_object_get(value));
    }
    return o;
}

/* 1: one more is there; 0: there are enough, or as many as there can be. */
static int add_one(struct kvm_vm *vm, uint32_t wanted, uint32_t *ret_now, const struct deadline *d,
                   struct hvp_error *err)
{
    struct json_object *places = NULL, *place;
    int r = kvm_qmp(vm, "query-hotpluggable-cpus", NULL, &places, d, err);

    if (r < 0)
        return r;
    place = next_place(places, ret_now);
    if (place && *ret_now < wanted)
        r = kvm_qmp(vm, "device_add", describe(place, *ret_now), NULL, d, err) < 0 ? err->code : 1;
    json_object_put(places);
    return r;
}

int kvm_vm_set_vcpus(void *p, uint32_t vcpus, uint32_t timeout_ms, uint32_t *reached,
                     struct hvp_error *err)
{
    struct kvm_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    uint32_t now = 0;
    int r;

    if (vcpus_check(vm->vcpus, vm->vcpus_max, vcpus, err) < 0)
        return err->code;
    while ((r = add_one(vm, vcpus, &now, &d, err)) == 1)
        ;
    if (r == 0)
        *reached = vm->vcpus_now = now;
    return r;
}
