/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kvm.h - the two objects of this back-end: an instance (one descriptor) and a VM (one QEMU).
 * For its own files only; the ops of hvp.h are declared here and put into the table by plugin.c.
 */
#ifndef KVM_KVM_H
#define KVM_KVM_H
#include <stdbool.h>
#include "common/child.h"
#include "common/event_queue.h"
#include "accel.h"
#include "cmdline.h"
#include "config.h"
#include "machine.h"
#include "qmp.h"

/* Where the guest finds the agent's ports, for cmdline and agent_open. */
#define KVM_MAX_CHANNELS 8
#define KVM_LOG_NAME "qemu.log"
#define KVM_QMP_NAME "qmp.sock"
#define KVM_CONSOLE_NAME "console.sock"

struct kvm_inst {
    const struct hvp_host *host;
    struct kvm_config config;
};

/* A device that is or was plugged: what detach, update and device_addr need. */
struct kvm_device {
    struct kvm_device *next;
    uint32_t kind;
    char tag[HVP_TAG_MAX + 1];
    char addr[HVP_ADDR_MAX]; /* "" = unknown */
    unsigned port;           /* root port + 1 it sits in; 0 = plugged cold */
    bool unplugging;         /* the guest was asked to let go */
    bool unplugged;          /* and did */
};

enum kvm_migration { MIGRATION_NONE, MIGRATION_RUNNING, MIGRATION_DONE, MIGRATION_FAILED };

struct kvm_vm {
    struct kvm_inst *inst;
    struct child child;
    struct qmp qmp;
    char *run_dir;
    char *console_log; /* NULL = none or unknown */
    uint32_t state;
    bool destroyed;   /* by us: its end is no event */
    bool has_network; /* QEMU can open disks over it; unknown = false */
    bool end_told;    /* the event of the VM's end is queued */
    /* Bytes: given at the start, at most; 0 = unknown (reopened). In the device for more: what the
     * guest has of it, what it shall have. */
    uint64_t memory, memory_max, memory_more, memory_wanted;
    uint32_t vcpus, vcpus_max; /* made with, at most; 0 = unknown */
    uint32_t vcpus_now;        /* 0 = unknown */
    uint32_t n_channels;
    int listen_fd;      /* the agent connects to it over vsock; -1 = its channel is a serial port */
    uint32_t vsock_cid; /* of the guest */
    unsigned root_ports; /* made at creation for hot-plug */
    unsigned next_fd_id;
    struct kvm_device *devices;
    enum kvm_migration migration;
    char *template_dir; /* holds the memory, which a save there leaves out; NULL = none */
    bool clone;         /* its memory is there before its state */
    int epoll_fd;       /* event_fd: QMP, pidfd and the queue */
    struct event_queue events;
};

/* probe.c */
int kvm_probe(void *inst, struct hvp_caps *caps, uint32_t timeout_ms, struct hvp_error *err);
/* Accelerator for this instance now; note as in accel_choose. */
int kvm_accel(struct kvm_inst *in, enum accel *ret, char *note, size_t len, struct hvp_error *err);
/* The instance's machine unless the VM asks for another one. */
int kvm_machine(struct kvm_inst *in, const char *wanted, const struct machine **ret,
                struct hvp_error *err);
int kvm_vm_words(void *inst, const struct hvp_vm_spec *spec, struct hvp_error *err);

/* vm.c, reopen.c */
int kvm_vm_create(void *inst, const struct hvp_vm_spec *spec, uint32_t timeout_ms, void **vm,
                  struct hvp_error *err);
int kvm_vm_restore(void *inst, const struct hvp_vm_spec *spec, const char *dir, uint32_t flags,
                   uint32_t timeout_ms, void **vm, struct hvp_error *err);
int kvm_vm_start(void *vm, uint32_t timeout_ms, struct hvp_error *err);
int kvm_vm_pause(void *vm, uint32_t timeout_ms, struct hvp_error *err);
int kvm_vm_resume(void *vm, uint32_t timeout_ms, struct hvp_error *err);
int kvm_vm_destroy(void *vm, uint32_t timeout_ms, struct hvp_error *err);
int kvm_vm_state(void *vm, uint32_t *state, struct hvp_error *err);
void kvm_vm_close(void *vm);
int kvm_vm_ref(void *vm, char *buf, size_t len, struct hvp_error *err);
int kvm_vm_reopen(void *inst, const char *ref, uint32_t timeout_ms, void **vm,
                  struct hvp_error *err);
int kvm_vm_list(void *inst, int (*each)(void *ctx, const struct hvp_vm_info *info), void *ctx,
                uint32_t timeout_ms, struct hvp_error *err);
int kvm_agent_open(void *vm, uint32_t port, uint32_t timeout_ms, int *fd, struct hvp_error *err);
int kvm_console_open(void *vm, uint32_t timeout_ms, int *fd, struct hvp_error *err);
struct kvm_vm *kvm_vm_new(struct kvm_inst *in, struct hvp_error *err);
/* Wait for QEMU's greeting on its socket; says why when QEMU ends instead. */
int kvm_qmp_connect(struct kvm_vm *vm, const struct deadline *d, struct hvp_error *err);
/* qmp_run with events of the VM kept away from core's poll meanwhile; reports a dead QEMU. */
int kvm_qmp(struct kvm_vm *vm, const char *command, struct json_object *args,
            struct json_object **ret_reply, const struct deadline *d, struct hvp_error *err);
int kvm_qmp_fd(struct kvm_vm *vm, const char *command, struct json_object *args, int fd,
               struct json_object **ret_reply, const struct deadline *d, struct hvp_error *err);

/* event.c */
int kvm_events_init(struct kvm_vm *vm, struct hvp_error *err);
/* Let event_fd watch QMP and the process; called once both are there. */
int kvm_events_watch(struct kvm_vm *vm, struct hvp_error *err);
void kvm_events_mute(struct kvm_vm *vm, bool mute);
void kvm_events_done(struct kvm_vm *vm);
void kvm_on_event(void *vm, const char *name, struct json_object *data);
/* Take in whatever has happened, without waiting. */
void kvm_events_collect(struct kvm_vm *vm);
int kvm_event_fd(void *vm, int *fd, struct hvp_error *err);
int kvm_event_next(void *vm, struct hvp_event *ev, struct hvp_error *err);

/* hotplug.c */
int kvm_device_attach(void *vm, const struct hvp_device *dev, uint32_t timeout_ms,
                      struct hvp_error *err);
int kvm_device_detach(void *vm, const char *tag, uint32_t timeout_ms, struct hvp_error *err);
int kvm_device_update(void *vm, const struct hvp_device *dev, uint32_t timeout_ms,
                      struct hvp_error *err);
int kvm_device_addr(void *vm, const char *tag, char *buf, size_t len, struct hvp_error *err);
/* Wait for the event that QEMU sends when the guest has let go; -EBUSY: it did not. */
int kvm_wait_unplugged(struct kvm_vm *vm, struct kvm_device *dev, const struct deadline *d,
                       struct hvp_error *err);
struct kvm_device *kvm_device_find(struct kvm_vm *vm, const char *tag);
struct kvm_device *kvm_device_add(struct kvm_vm *vm, const struct hvp_device *dev);

/* vcpus.c */
int kvm_vm_set_vcpus(void *vm, uint32_t vcpus, uint32_t timeout_ms, uint32_t *reached,
                     struct hvp_error *err);

/* resize.c */
int kvm_vm_set_memory(void *vm, uint64_t bytes, uint32_t timeout_ms, uint64_t *reached,
                      struct hvp_error *err);
void kvm_on_memory(struct kvm_vm *vm, struct json_object *data);
/* connect.c: wait until the guest has what it shall have; -ETIMEDOUT: it has not. */
int kvm_wait_memory(struct kvm_vm *vm, const struct deadline *d, struct hvp_error *err);

/* datafile.c: -EPERM if the disk is open and its image keeps its data in another file. */
struct hvp_disk;
int kvm_disk_check_alone(struct kvm_vm *vm, const struct hvp_disk *k, const struct deadline *d,
                         struct hvp_error *err);

/* template.c */
struct kvm_memory_file {
    char path[512];     /* file of a template's memory */
    char words[1536];   /* what env points to */
    const char *env[4]; /* environment of QEMU, NULL-terminated; empty = any */
};
/* Where the memory of c->spec is, of a new VM or (dir) one from what was saved there; fills c's
 * memory* and vm's template_dir, clone. c->qemu is known. */
int kvm_memory_choose(struct kvm_vm *vm, struct cmdline *c, const char *dir,
                      struct kvm_memory_file *m, const struct deadline *d, struct hvp_error *err);

/* migrate.c */
int kvm_vm_save(void *vm, const char *dir, uint32_t flags, uint32_t timeout_ms,
                struct hvp_error *err);
int kvm_template_key(void *inst, const struct hvp_vm_spec *spec, char *buf, size_t len,
                     struct hvp_error *err);
/* Fill a QEMU that was started for it from a saved directory. */
int kvm_migrate_in(struct kvm_vm *vm, const char *dir, const struct deadline *d,
                   struct hvp_error *err);
void kvm_on_migration(struct kvm_vm *vm, const char *status);
/* connect.c: wait until vm->migration says done or failed. */
int kvm_wait_migrated(struct kvm_vm *vm, const struct deadline *d, struct hvp_error *err);

/* stats.c */
int kvm_vm_stats(void *vm, uint32_t timeout_ms, struct hvp_stats *st, struct hvp_error *err);
int kvm_vm_pids(void *vm, int32_t *pids, size_t cap, size_t *n, struct hvp_error *err);

#endif
