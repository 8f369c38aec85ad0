/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lv.h - the objects of this back-end: an instance (one descriptor, one connection to libvirt) and
 * a VM (one domain). For its own files only; plugin.c puts the ops declared here into the table.
 */
#ifndef LV_H
#define LV_H
#include <libvirt/libvirt.h>
#include <pthread.h>
#include <stdbool.h>
#include "common/deadline.h"
#include "common/event_queue.h"
#include "config.h"
#include "domain.h"

struct lv_inst {
    const struct hvp_host *host;
    struct lv_config config;
    virConnectPtr conn;    /* NULL = none yet, or lost */
    unsigned long version; /* of the libvirt behind conn, as virConnectGetLibVersion tells it */
};

/* A device that is or was plugged: what detach and update need. */
struct lv_device {
    struct lv_device *next;
    char tag[HVP_TAG_MAX + 1];
    uint32_t kind;
    struct lv_place at;
    struct hvp_nic nic; /* of a NIC, its strings in ifname */
    char ifname[LV_IFNAME_MAX + 1];
    bool has_secret, unplugging;
    bool unplugged; /* the guest has let go; under the VM's lock */
};

#define LV_CALLBACKS 3

/*
 * What libvirt's event thread shares with the ops lives under lock. Each callback that is
 * registered holds a reference: libvirt may be in the middle of one when the VM is closed.
 */
struct lv_vm {
    struct lv_inst *inst;
    char uuid[37];
    char *run_dir, *console_log; /* NULL = unknown: found again without a record of it */
    uint32_t n_channels;
    /* Bytes: at the start, at most, of the device for more; 0 = unknown (found again). */
    uint64_t memory, memory_max, memory_room;
    uint32_t vcpus, vcpus_now, vcpus_max; /* made with, there now, at most; likewise */
    unsigned next_number;
    pid_t pid; /* of QEMU; 0 = unknown */
    int pidfd; /* watched beside libvirt, which may be away; -1 = none */
    virDomainPtr dom;
    int callbacks[LV_CALLBACKS]; /* ids on dom's connection; -1 = not registered */

    pthread_mutex_t lock;
    unsigned refs;
    uint32_t state;
    bool destroying, end_told;
    struct event_queue events;
    struct lv_device *devices;
    uint64_t memory_more; /* bytes that the guest has of memory_room */
    int change_fd;        /* eventfd, readable after unplugged or memory_more has changed */
    int epoll_fd;         /* event_fd: the queue and pidfd */
};

/* loop.c: libvirt's event loop in a thread of its own, once per process. */
int lv_loop_start(struct hvp_error *err);
/* Returns when what was closed before is closed: libvirt leaves that to its loop. */
void lv_loop_settle(void);

/* connect.c */
/* inst->conn is usable, made anew if the daemon has been restarted. */
int lv_connect(struct lv_inst *in, const struct deadline *d, struct hvp_error *err);
/* The same, and vm->dom belongs to it; -ENOENT: there is no such domain any more. */
int lv_attach(struct lv_vm *vm, const struct deadline *d, struct hvp_error *err);
void lv_disconnect(struct lv_inst *in);

/* call.c: one call of libvirt's API with a time limit, which that has not. */
/* A thread without signals, detached where ret_id is NULL; 0 or a positive errno. */
int lv_thread(void *(*run)(void *), void *arg, pthread_t *ret_id);

struct lv_call {
    /* in; the objects are the call's own references */
    virConnectPtr conn;
    virDomainPtr dom;
    char *text;
    char uuid[37];
    uint64_t number;
    /* out */
    virConnectPtr ret_conn;
    virDomainPtr ret_dom;
    virDomainInfo info;
    int reason;
    uint64_t resident; /* bytes; 0 = unknown */
    virStreamPtr stream;
    /* call.c's own */
    int (*fn)(struct lv_call *c); /* < 0: libvirt's error of this thread says why */
    pthread_mutex_t lock;
    unsigned refs;
    bool done, given_up;
    int done_fd, result;
    struct hvp_error err;
};
struct lv_call *lv_call_new(struct lv_vm *vm, int (*fn)(struct lv_call *c), struct hvp_error *err);
/*
 * what: "pause the VM", for the sentence. -ETIMEDOUT and -ECANCELED leave the call to end by itself
 * some time, a domain that it creates is destroyed then. -ENOENT: there is no such domain.
 */
int lv_call_run(struct lv_call *c, const struct deadline *d, const char *what,
                struct hvp_error *err);
void lv_call_free(struct lv_call *c);
/* fn, with conn, uuid and text, finds or makes a domain in ret_dom, which becomes vm->dom. */
int lv_call_domain(struct lv_vm *vm, int (*fn)(struct lv_call *c), const char *text,
                   const struct deadline *d, const char *what, struct hvp_error *err);
/* The last error of libvirt in this thread as ours. */
int lv_fail(struct hvp_error *err, const char *what);

/* event.c */
int lv_events_init(struct lv_vm *vm, struct hvp_error *err);
/* Hear of vm->dom from now on, and of what has happened to it before. */
int lv_events_watch(struct lv_vm *vm, struct hvp_error *err);
void lv_events_unwatch(struct lv_vm *vm);
void lv_vm_unref(void *vm);
/* Take in what the process tells while libvirt cannot. */
void lv_events_collect(struct lv_vm *vm);
int lv_event_fd(void *vm, int *fd, struct hvp_error *err);
int lv_event_next(void *vm, struct hvp_event *ev, struct hvp_error *err);

/* probe.c */
int lv_probe(void *inst, struct hvp_caps *caps, uint32_t timeout_ms, struct hvp_error *err);
int lv_machine(struct lv_inst *in, const char *wanted, const struct machine **ret,
               struct hvp_error *err);
int lv_vm_words(void *inst, const struct hvp_vm_spec *spec, struct hvp_error *err);

/* create.c */
int lv_vm_create(void *inst, const struct hvp_vm_spec *spec, uint32_t timeout_ms, void **vm,
                 struct hvp_error *err);
int lv_vm_restore(void *inst, const struct hvp_vm_spec *spec, const char *dir, uint32_t flags,
                  uint32_t timeout_ms, void **vm, struct hvp_error *err);

/* save.c */
int lv_vm_save(void *vm, const char *dir, uint32_t flags, uint32_t timeout_ms,
               struct hvp_error *err);
/* vm->dom becomes the domain `xml`, whose UUID is vm's, with the memory that was saved in dir. */
int lv_restore(struct lv_vm *vm, const char *dir, const char *xml, const struct deadline *d,
               struct hvp_error *err);
int lv_template_key(void *inst, const struct hvp_vm_spec *spec, char *buf, size_t len,
                    struct hvp_error *err);

/* vm.c */
int lv_vm_start(void *vm, uint32_t timeout_ms, struct hvp_error *err);
int lv_vm_pause(void *vm, uint32_t timeout_ms, struct hvp_error *err);
int lv_vm_resume(void *vm, uint32_t timeout_ms, struct hvp_error *err);
int lv_vm_destroy(void *vm, uint32_t timeout_ms, struct hvp_error *err);
int lv_vm_state(void *vm, uint32_t *state, struct hvp_error *err);
void lv_vm_close(void *vm);
struct lv_vm *lv_vm_new(struct lv_inst *in, const char *uuid, struct hvp_error *err);

/* find.c */
int lv_vm_ref(void *vm, char *buf, size_t len, struct hvp_error *err);
int lv_vm_reopen(void *inst, const char *ref, uint32_t timeout_ms, void **vm,
                 struct hvp_error *err);
int lv_vm_list(void *inst, int (*each)(void *ctx, const struct hvp_vm_info *info), void *ctx,
               uint32_t timeout_ms, struct hvp_error *err);
/* QEMU's process by the UUID among its arguments; 0 = it is not to be seen. */
pid_t lv_find_pid(const char *uuid);
uint32_t lv_state_of(int libvirt_state, int reason);

/* stream.c */
int lv_agent_open(void *vm, uint32_t port, uint32_t timeout_ms, int *fd, struct hvp_error *err);
int lv_console_open(void *vm, uint32_t timeout_ms, int *fd, struct hvp_error *err);

/* hotplug.c */
int lv_device_attach(void *vm, const struct hvp_device *dev, uint32_t timeout_ms,
                     struct hvp_error *err);
int lv_device_detach(void *vm, const char *tag, uint32_t timeout_ms, struct hvp_error *err);
int lv_device_update(void *vm, const struct hvp_device *dev, uint32_t timeout_ms,
                     struct hvp_error *err);
int lv_nic_hostif(void *vm, const char *tag, char *buf, size_t len, struct hvp_error *err);
struct lv_device *lv_device_add(struct lv_vm *vm, const struct hvp_device *dev,
                                const struct lv_place *at, struct hvp_error *err);

/* One call about vm's domain. Takes text over; NULL means that there was no memory for it. */
int lv_say(struct lv_vm *vm, int (*fn)(struct lv_call *c), char *text, uint64_t number,
           const struct deadline *d, const char *what, struct hvp_error *err);

/* resize.c */
int lv_vm_set_vcpus(void *vm, uint32_t vcpus, uint32_t timeout_ms, uint32_t *reached,
                    struct hvp_error *err);
int lv_vm_set_memory(void *vm, uint64_t bytes, uint32_t timeout_ms, uint64_t *reached,
                     struct hvp_error *err);

/* secret.c: libvirt's secret of a disk that has one; removing is for all of a VM or one tag. */
int lv_secret_make(struct lv_vm *vm, const struct hvp_disk *k, struct hvp_error *err);
void lv_secrets_remove(struct lv_vm *vm, const char *tag);

/* owner.c */
/* An element of the domain's metadata of ours; NULL = it is not to be had. Caller frees. */
char *lv_owner_read(virDomainPtr dom, const char *element);
int lv_vm_rename(void *vm, const char *id, const struct hvp_kv *metadata, size_t n_metadata,
                 uint32_t timeout_ms, struct hvp_error *err);

/* stats.c */
int lv_vm_stats(void *vm, uint32_t timeout_ms, struct hvp_stats *st, struct hvp_error *err);
int lv_vm_pids(void *vm, int32_t *pids, size_t cap, size_t *n, struct hvp_error *err);

#endif
