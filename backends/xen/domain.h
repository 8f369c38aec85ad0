/* SPDX-License-Identifier: Apache-2.0 */
/*
 * domain.h - a VM of the ABI as a domain's description for libxl.
 * For vm.c (create) and device.c (a disk that comes later); nothing here touches Xen.
 */
#ifndef XEN_DOMAIN_H
#define XEN_DOMAIN_H
#include "xen.h"

/*
 * Fill ret, which libxl_domain_config_dispose frees, also after a failure.  The devices have been
 * noted in vm.  Where libxl wants memory of its own, there is no way to go on without: it ends the
 * process, as libxl itself does.
 */
int domain_describe(struct xen_vm *vm, const struct hvp_vm_spec *spec, libxl_domain_config *ret,
                    struct hvp_error *err);
/* Whether it goes through the kernel, not through QEMU. */
bool domain_disk_is_phy(const struct hvp_disk *disk);
/* ret is libxl_device_disk_init'ed and disposed by the caller. */
int domain_disk(const struct hvp_disk *disk, const char *vdev, libxl_device_disk *ret,
                struct hvp_error *err);

/* The first n of the VM's vCPUs; libxl_bitmap_dispose frees ret. */
int domain_vcpus(struct xen_vm *vm, uint32_t n, libxl_bitmap *ret, struct hvp_error *err);
/* nic.c; ret is libxl_device_nic_init'ed and disposed by the caller. */
int domain_nic(const struct hvp_nic *nic, int number, libxl_device_nic *ret, struct hvp_error *err);

#endif
