/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xen.h - the two objects of this back-end: an instance (one descriptor) and a VM (one domain).
 * For its own files only; the ops of hvp.h are declared here and put into the table by plugin.c.
 */
#ifndef XEN_XEN_H
#define XEN_XEN_H
#include <stdbool.h>
#include <stdint.h>
#include "common/event_queue.h"
#include "config.h"
#include "loop.h"

#define XEN_NAME_PREFIX "anyvisor-" /* of domains that are ours */
#define XEN_CHANNEL_NAME "agent0.sock"
#define XEN_UUID_LEN 36
#define XEN_PIDS_MAX 8
#define XEN_DISKS_MAX 26 /* xvda to xvdz */

struct console;

struct xen_inst {
    const struct hvp_host *host;
    struct xen_config config;
};

/* A device that is plugged: what detach and device_addr need. */
struct xen_device {
    struct xen_device *next;
    uint32_t kind;
    char tag[HVP_TAG_MAX + 1];
    char vdev[8]; /* a disk's name in the guest; "" = it is none */
    int nic;      /* a NIC's number in its domain; -1 = it is none */
    bool hot;
};

struct xen_vm {
    struct xen_inst *inst;
    struct loop loop;
    uint32_t domid;
    uint32_t vcpus_max; /* 0 = unknown (reopened) */
    uint64_t memory_max;
    char uuid[XEN_UUID_LEN + 1];
    char *run_dir;     /* NULL = unknown (reopened) */
    char *console_log; /* NULL = none */
    struct console *console;
    libxl_evgen_domain_death *death;
    uint32_t state;
    bool ended; /* told, or destroyed by us: no more events */
    struct xen_device *devices;
    int event_fd; /* epoll: libxl's and the queue */
    struct event_queue events;
};

/* probe.c */
int xen_probe(void *inst, struct hvp_caps *caps, uint32_t timeout_ms, struct hvp_error *err);

/* vm.c */
int xen_vm_words(void *inst, const struct hvp_vm_spec *spec, struct hvp_error *err);
int xen_vm_create(void *inst, const struct hvp_vm_spec *spec, uint32_t timeout_ms, void **vm,
                  struct hvp_error *err);
int xen_vm_start(void *vm, uint32_t timeout_ms, struct hvp_error *err);
int xen_vm_pause(void *vm, uint32_t timeout_ms, struct hvp_error *err);
int xen_vm_resume(void *vm, uint32_t timeout_ms, struct hvp_error *err);
int xen_vm_destroy(void *vm, uint32_t timeout_ms, struct hvp_error *err);
int xen_vm_state(void *vm, uint32_t *state, struct hvp_error *err);
void xen_vm_close(void *vm);
int xen_agent_open(void *vm, uint32_t port, uint32_t timeout_ms, int *fd, struct hvp_error *err);
int xen_console_open(void *vm, uint32_t timeout_ms, int *fd, struct hvp_error *err);
/* A handle without a domain; NULL and a sentence. */
struct xen_vm *xen_vm_new(struct xen_inst *in, struct hvp_error *err);
/* state_fd: of a saved VM, which goes on; -1 = a new one. */
int xen_vm_make(struct xen_inst *in, const struct hvp_vm_spec *spec, int state_fd,
                uint32_t timeout_ms, void **ret, struct hvp_error *err);

/* reopen.c */
int xen_vm_ref(void *vm, char *buf, size_t len, struct hvp_error *err);
int xen_vm_reopen(void *inst, const char *ref, uint32_t timeout_ms, void **vm,
                  struct hvp_error *err);
int xen_vm_list(void *inst, int (*each)(void *ctx, const struct hvp_vm_info *info), void *ctx,
                uint32_t timeout_ms, struct hvp_error *err);
int xen_vm_rename(void *vm, const char *id, const struct hvp_kv *metadata, size_t n_metadata,
                  uint32_t timeout_ms, struct hvp_error *err);
/* Is the domain still there, and the one that we mean?  Domain numbers come round again. */
bool xen_domain_exists(struct xen_vm *vm, libxl_dominfo *ret_info);

/* event.c */
int xen_events_init(struct xen_vm *vm, struct hvp_error *err);
/* Tell us of the domain's end; called once it exists. */
int xen_events_watch(struct xen_vm *vm, struct hvp_error *err);
void xen_events_done(struct xen_vm *vm);
int xen_event_fd(void *vm, int *fd, struct hvp_error *err);
int xen_event_next(void *vm, struct hvp_event *ev, struct hvp_error *err);

/* device.c */
struct xen_device *xen_device_find(struct xen_vm *vm, const char *tag); /* NULL = there is none */
/* Checks, and takes note of, a device that a new VM has. */
int xen_device_note(struct xen_vm *vm, const struct hvp_device *dev, bool hot,
                    struct xen_device **ret, struct hvp_error *err);
int xen_device_attach(void *vm, const struct hvp_device *dev, uint32_t timeout_ms,
                      struct hvp_error *err);
int xen_device_detach(void *vm, const char *tag, uint32_t timeout_ms, struct hvp_error *err);
int xen_device_addr(void *vm, const char *tag, char *buf, size_t len, struct hvp_error *err);

/* nic.c */
int xen_nic_hostif(void *vm, const char *tag, char *buf, size_t len, struct hvp_error *err);

int xen_nic_attach(struct xen_vm *vm, const struct hvp_nic *nic, int number,
                   const struct deadline *d, struct hvp_error *err);
int xen_nic_detach(struct xen_vm *vm, int number, const struct deadline *d, struct hvp_error *err);

/* size.c */
int xen_vm_set_vcpus(void *vm, uint32_t vcpus, uint32_t timeout_ms, uint32_t *reached,
                     struct hvp_error *err);
int xen_vm_set_memory(void *vm, uint64_t bytes, uint32_t timeout_ms, uint64_t *reached,
                      struct hvp_error *err);

/* snapshot.c */
int xen_vm_save(void *vm, const char *dir, uint32_t flags, uint32_t timeout_ms,
                struct hvp_error *err);
int xen_vm_restore(void *inst, const struct hvp_vm_spec *spec, const char *dir, uint32_t flags,
                   uint32_t timeout_ms, void **vm, struct hvp_error *err);

/* stats.c */
int xen_vm_stats(void *vm, uint32_t timeout_ms, struct hvp_stats *st, struct hvp_error *err);
int xen_vm_pids(void *vm, int32_t *pids, size_t cap, size_t *n, struct hvp_error *err);
/* The domain's QEMUs; the first cap of them into pids, their number is returned. */
size_t xen_find_qemu(uint32_t domid, int32_t *pids, size_t cap);

#endif
