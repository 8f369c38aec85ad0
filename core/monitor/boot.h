/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot.h - the worker's part of a boot: plug-in, VM, agent's channel.
 * For sandbox.c, which pushes the job and looks at the result when it is done.
 */
#ifndef MONITOR_BOOT_H
#define MONITOR_BOOT_H
#include <stdbool.h>
#include <stdint.h>
#include "config/descriptor.h"
#include "monitor/assets.h"
#include "monitor/ipc.h"
#include "monitor/worker.h"
#include "plugin/plugin.h"

#define BOOT_PIDS_MAX 8

struct boot {
    struct job job;
    /* In, constant while the job runs. */
    const struct ipc_sandbox *spec;
    const struct assets *assets;
    struct worker *worker; /* which runs this */
    struct hvp_host host;
    int state_fd;
    uint64_t deadline_ns;
    int *tap_fds; /* of spec->nics; kept where the VM ends with their namespace, or may yet */
    size_t n_taps;
    /* Out. */
    struct descriptor descriptor;
    struct plugin *plugin;
    struct plugin_vm *vm;
    bool sealed; /* nothing can be started any more */
    bool started;
    uint64_t memory; /* bytes that the VM has */
    uint32_t vcpus;  /* likewise; the guest may use fewer */
    int channel_fd, event_fd;
    char *share_dir, *share_tag; /* how the guest finds the share: one of them */
    const char *share_transport; /* of 9p, with the tag */
    char template_key[HVP_REF_MAX];
    struct ipc_hostifs hostifs;
    int32_t pids[BOOT_PIDS_MAX];
    size_t n_pids;
    struct ipc_timings timings;
    struct err err; /* code 0: the VM runs and channel_fd is connected */
};

void boot_run(struct job *j);
/* For the plug-in: the two lists have one layout, only the constness differs. Caller frees. */
struct hvp_kv *boot_pairs(const struct kvs *l);

/* template.c: the VM of b, made anew, as a template or from one; what is left of the deadline. */
int template_make_vm(struct boot *b, struct hvp_vm_spec *spec, uint32_t timeout_ms);

/* seal.c: between the plug-in's vm_create and vm_start, on the worker. */
int seal(struct boot *b);
void seal_break(void); /* for tests: what an intruder would try, and dies of */

/* network.c; names: ask a back-end that makes its own interfaces for them */
void network_leave_taps(const struct boot *b);
void network_drop_taps(struct boot *b);
int network_names(struct boot *b);

/* host_services.c: what the plug-in may ask of the monitor. worker serves its spawns. */
struct monitor;
void host_services_init(struct hvp_host *host, struct monitor *m);

#endif
