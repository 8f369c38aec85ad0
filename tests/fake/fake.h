/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake.h - an instance and a VM of the fake back-end, and its operations.
 * For tests/fake only: fake.c configures and probes, vm.c makes and ends VMs, ops.c asks them.
 */
#ifndef FAKE_FAKE_H
#define FAKE_FAKE_H
#include "common/child.h"
#include "fault.h"

/* One descriptor of plugins.d.  load() gives it to core, every op gets it back. */
struct instance {
    const struct hvp_host *host;
    char *agent, *vmm; /* absolute paths */
    char *memory;      /* "apart" = as if it were none of this host's, or NULL */
    char *share;       /* what tests want as the address of a share, or NULL */
    struct fault fault;
};

struct vm {
    struct instance *inst;
    struct child child; /* fake-vmm */
    int channel;        /* our end of the socketpair; -1 when found by vm_reopen */
    int lifeline;       /* a byte starts the guest, closing it ends the VM */
    int epoll_fd;       /* what core polls: the process's pidfd until its end was told */
    uint32_t state;
    bool end_told;
    uint64_t memory;
    char cgroup[1024]; /* of the guest; "" = this host has none */
    char share_tag[HVP_TAG_MAX + 1], share_dir[HVP_ADDR_MAX]; /* "" = none */
};

/* Note the end of the VM's process, if it has ended. */
void fake_look(struct vm *vm);

/* The table's operations (hvp.h). */
int fake_vm_create(void *p, const struct hvp_vm_spec *spec, uint32_t timeout_ms, void **ret,
                   struct hvp_error *err);
int fake_vm_start(void *p, uint32_t timeout_ms, struct hvp_error *err);
int fake_vm_pause(void *p, uint32_t timeout_ms, struct hvp_error *err);
int fake_vm_resume(void *p, uint32_t timeout_ms, struct hvp_error *err);
int fake_vm_destroy(void *p, uint32_t timeout_ms, struct hvp_error *err);
int fake_vm_state(void *p, uint32_t *state, struct hvp_error *err);
int fake_vm_ref(void *p, char *buf, size_t len, struct hvp_error *err);
int fake_vm_reopen(void *p, const char *ref, uint32_t timeout_ms, void **ret,
                   struct hvp_error *err);
void fake_vm_close(void *p);
int fake_event_fd(void *p, int *fd, struct hvp_error *err);
int fake_event_next(void *p, struct hvp_event *ev, struct hvp_error *err);
int fake_agent_open(void *p, uint32_t port, uint32_t timeout_ms, int *ret, struct hvp_error *err);
int fake_vm_stats(void *p, uint32_t timeout_ms, struct hvp_stats *st, struct hvp_error *err);
int fake_vm_pids(void *p, int32_t *pids, size_t cap, size_t *n, struct hvp_error *err);
int fake_vm_words(void *inst, const struct hvp_vm_spec *spec, struct hvp_error *err);
int fake_device_addr(void *p, const char *tag, char *buf, size_t len, struct hvp_error *err);

#endif
