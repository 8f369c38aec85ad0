/* SPDX-License-Identifier: Apache-2.0 */
/*
 * domain.h - a VM and its devices as libvirt's domain XML: pure functions of their descriptions,
 * so that tests compare text. For vm.c and hotplug.c.
 */
#ifndef LV_DOMAIN_H
#define LV_DOMAIN_H
#include <anyvisor/hvp.h>
#include "config.h"
#include "kvm/machine.h"
#include "xml.h"

#define LV_NAME_PREFIX "anyvisor-" /* of a domain; the id follows */
#define LV_TITLE "container "      /* the id follows */
#define LV_METADATA_URI "urn:anyvisor:sandbox:1"
#define LV_METADATA_KEY "anyvisor" /* the prefix for that */
#define LV_ID "id"                 /* elements of the metadata */
#define LV_RUN_DIR "run_dir"
#define LV_MAX_CHANNELS 8
#define LV_IFNAME_MAX 15

struct lv_domain {
    const struct hvp_vm_spec *spec;
    const struct lv_config *config;
    const struct machine *machine;
    enum accel accel;
    const char *emulator; /* absolute path of QEMU */
    const char *firmware; /* absolute path; NULL = QEMU's own */
    bool as_root;         /* ask for QEMU as root: the share has foreign owners */
};

/* Where a device sits and what it is called inside libvirt. */
struct lv_place {
    unsigned bus, slot; /* PCI: bus 0, or root port N's bus N with slot 0 */
    unsigned number;    /* unique in the VM: alias, disk target */
};

/* Whose VM a domain is. */
struct lv_owner {
    const char *id, *run_dir;
    const struct hvp_kv *metadata;
    size_t n_metadata;
};

/* What is in our element of the metadata. */
void lv_sandbox_xml(struct xml *x, const struct lv_owner *o);
/* The whole domain into x. */
int lv_domain_xml(struct xml *x, const struct lv_domain *d, struct hvp_error *err);
/* cpu.c: what the open <cpu> is, its flags with it. */
int lv_cpu_xml(struct xml *x, const struct lv_domain *d, struct hvp_error *err);
/* Place of spec->devices[index]. */
struct lv_place lv_cold_place(size_t index);
/* What can be said against a device before anything is made. */
int lv_device_check(const struct hvp_device *dev, struct hvp_error *err);
/* One device, checked before; uuid is the VM's. */
void lv_device_xml(struct xml *x, const struct hvp_device *dev, const struct lv_place *at,
                   const char *uuid);

/* The device that has room for so many bytes, of which the guest may have those that are wanted. */
void lv_memory_xml(struct xml *x, uint64_t room, uint64_t wanted);

/* disk.c */
int lv_disk_check(const struct hvp_disk *k, struct hvp_error *err);
/* What this version of libvirt would ignore without a word. */
int lv_disk_check_version(const struct hvp_disk *k, unsigned long version, struct hvp_error *err);
void lv_disk_xml(struct xml *x, const struct hvp_disk *k, const struct lv_place *at,
                 const char *uuid);
/* "vda", "vdb" .. "vdaa": libvirt's name of the disk. */
void lv_disk_target(unsigned number, char *buf, size_t len);
/* What a disk's secret is called in libvirt. */
void lv_secret_usage(const char *uuid, const char *tag, char *buf, size_t len);

/* Both sides of a NIC agree on the name of its interface; buf has LV_IFNAME_MAX + 1 bytes. */
void lv_ifname(const struct hvp_nic *n, const char *uuid, unsigned number, char *buf);
void lv_alias(unsigned number, char *buf, size_t len);
/* <address type='pci' .../> */
void lv_place_xml(struct xml *x, const struct lv_place *at);

#endif
