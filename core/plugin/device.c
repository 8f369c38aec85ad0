/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include "plugin/internal.h"

#define CALL(vm, err, op, ...) PLUGIN_CALL((vm)->p, vm, PHASE_VMM, err, op, (vm)->vm, __VA_ARGS__)
#define CAN(vm, bits, err, op) plugin_can((vm)->p, #op, (vm)->p->so->ops.op != NULL, bits, err)

int plugin_device_attach(struct plugin_vm *vm, const struct hvp_device *dev, uint32_t timeout_ms,
                         struct err *err)
{
    int r = CAN(vm, 0, err, device_attach);

    if (r == 0 && vm->p->probed) {
        r = plugin_device_check(&vm->p->caps, dev, err);
        if (r < 0)
            return err_wrap(err, "back-end '%s' cannot hot-plug", vm->p->d->name);
    }
    return r < 0 ? r : CALL(vm, err, device_attach, dev, timeout_ms);
}

int plugin_device_detach(struct plugin_vm *vm, const char *tag, uint32_t timeout_ms,
                         struct err *err)
{
    int r = CAN(vm, 0, err, device_detach);

    return r < 0 ? r : CALL(vm, err, device_detach, tag, timeout_ms);
}

int plugin_device_update(struct plugin_vm *vm, const struct hvp_device *dev, uint32_t timeout_ms,
                         struct err *err)
{
    int r = CAN(vm, 0, err, device_update);

    if (r < 0)
        return r;
    if (vm->p->probed && (dev->kind >= 32 || !(vm->p->caps.update & 1u << dev->kind)))
        return err_set_phase(err, PHASE_PLUGIN, ENOTSUP, "back-end '%s' cannot update device '%s'",
                             vm->p->d->name, dev->tag);
    return CALL(vm, err, device_update, dev, timeout_ms);
}

static int check_text(const struct plugin_vm *vm, const char *op, char buf[HVP_ADDR_MAX],
                      struct err *err)
{
    if (buf[0] && memchr(buf, '\0', HVP_ADDR_MAX))
        return 0;
    return err_set_phase(err, PHASE_PLUGIN, EPROTO, "back-end '%s': %s gave no text",
                         vm->p->d->name, op);
}

int plugin_device_addr(struct plugin_vm *vm, const char *tag, char buf[HVP_ADDR_MAX],
                       struct err *err)
{
    int r = CAN(vm, HVP_CAP_DEVICE_ADDR, err, device_addr);

    if (r == 0)
        r = CALL(vm, err, device_addr, tag, buf, HVP_ADDR_MAX);
    return r < 0 ? r : check_text(vm, "device_addr", buf, err);
}

int plugin_nic_hostif(struct plugin_vm *vm, const char *tag, char buf[HVP_ADDR_MAX],
                      struct err *err)
{
    int r = CAN(vm, HVP_CAP_NIC_HOSTIF, err, nic_hostif);

    if (r == 0)
        r = CALL(vm, err, nic_hostif, tag, buf, HVP_ADDR_MAX);
    return r < 0 ? r : check_text(vm, "nic_hostif", buf, err);
}
