/* SPDX-License-Identifier: Apache-2.0 */
/* NICs: Xen's driver makes an interface of dom0 for each, which is core's to connect. */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include "common/util.h"
#include "domain.h"

#define SCRIPT "xen-vif" /* beside the plug-in */

/* libxl's own scripts put an interface on a bridge of the host; ours leaves it alone. */
static int find_script(char **ret, struct hvp_error *err)
{
    Dl_info here;
    const char *slash;

    if (!dladdr((void *)(uintptr_t)find_script, &here) || !(slash = strrchr(here.dli_fname, '/')))
        return hvp_fail(err, ENOENT, "find the folder of the plug-in");
    if (asprintf(ret, "%.*s/" SCRIPT, (int)(slash - here.dli_fname), here.dli_fname) < 0) {
        *ret = NULL;
        return hvp_fail(err, ENOMEM, "out of memory for a NIC");
    }
    return access(*ret, X_OK) < 0 ? hvp_fail(err, errno, "script of NICs '%.300s': %m", *ret) : 0;
}

int domain_nic(const struct hvp_nic *nic, int number, libxl_device_nic *ret, struct hvp_error *err)
{
    ret->devid = number;
    ret->nictype = LIBXL_NIC_TYPE_VIF;
    ret->mtu = (int)nic->mtu;
    memcpy(ret->mac, nic->mac, sizeof(nic->mac));
    return find_script(&ret->script, err);
}

int xen_nic_hostif(void *p, const char *tag, char *buf, size_t len, struct hvp_error *err)
{
    struct xen_vm *vm = p;
    const struct xen_device *d = xen_device_find(vm, tag);
    int n;

    if (!d || d->nic < 0)
        return hvp_fail(err, ENOENT, "the VM has no NIC '%.40s'", tag);
    n = snprintf(buf, len, "vif%u.%d", vm->domid, d->nic);
    return n < 0 || (size_t)n >= len
               ? hvp_fail(err, ENAMETOOLONG, "the name of '%s' needs %d bytes", tag, n)
               : 0;
}

int xen_nic_attach(struct xen_vm *vm, const struct hvp_nic *nic, int number,
                   const struct deadline *d, struct hvp_error *err)
{
    libxl_device_nic dev;
    libxl_asyncop_how how;
    int r;

    libxl_device_nic_init(&dev);
    r = domain_nic(nic, number, &dev, err);
    if (r == 0) {
        loop_begin(&vm->loop, &how);
        r = libxl_device_nic_add(vm->loop.ctx, vm->domid, &dev, &how);
        r = loop_finish(&vm->loop, &how, r, d, "add a NIC to the domain", err);
    }
    libxl_device_nic_dispose(&dev);
    return r;
}

/* libxl asks the guest, and takes the NIC away from one that does not listen. */
int xen_nic_detach(struct xen_vm *vm, int number, const struct deadline *d, struct hvp_error *err)
{
    libxl_device_nic dev;
    libxl_asyncop_how how;
    int r = libxl_devid_to_device_nic(vm->loop.ctx, vm->domid, number, &dev);

    if (r)
        return loop_fail(&vm->loop, r, "find the NIC in the domain", err);
    loop_begin(&vm->loop, &how);
    r = libxl_device_nic_remove(vm->loop.ctx, vm->domid, &dev, &how);
    r = loop_finish(&vm->loop, &how, r, d, "remove the NIC from the domain", err);
    libxl_device_nic_dispose(&dev);
    return r;
}
