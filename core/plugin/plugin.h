/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugin.h - hypervisor plug-ins as core sees them: checked, loaded, asked, called.
 * For the monitor (open, probe, vm ops) and the CLI (plugin_probe_isolated, cleaning up).
 * Errors carry PHASE_PLUGIN (the plug-in itself) or PHASE_VMM (what it did) and the back-end's
 * name.
 */
#ifndef PLUGIN_PLUGIN_H
#define PLUGIN_PLUGIN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <anyvisor/hvp.h>
#include "base/err.h"
#include "config/descriptor.h"

struct plugin;    /* one configured instance: one descriptor */
struct plugin_vm; /* one open handle */

/*
 * A host table that works everywhere: logs through base/log, starts programs as children of the
 * calling thread, is never cancelled. The monitor replaces what it does better.
 */
void plugin_host_init(struct hvp_host *host);

/* AppArmor profile of what is started with HVP_SPAWN_PRIVATE, where it is loaded. */
#define PLUGIN_APPARMOR_PROFILE "anyvisor-vmm"

/*
 * What a host->spawn does: start `what` from this very thread, without what->cgroups in the cgroups
 * of this process. hide: mounts (NULL-terminated, or NULL) that a private child must not see.
 */
int plugin_spawn(const struct hvp_spawn *what, const char *const *hide, int32_t *ret_pid,
                 int *ret_pidfd, struct hvp_error *err);

/*
 * Check owner and mode of descriptor and .so, load it, negotiate, configure it. The .so stays
 * loaded for ever. host (copied; its instance and arch come from d) and d must outlive the
 * instance.
 */
int plugin_open(const struct descriptor *d, const struct hvp_host *host, struct plugin **ret,
                struct err *err);
void plugin_close(struct plugin *p); /* every plugin_vm closed; NULL is fine */

/* What the plug-in says of itself; valid until plugin_close. */
const char *plugin_instance(const struct plugin *p); /* the descriptor's name */
const struct hvp_plugin *plugin_ops(const struct plugin *p);

/* Ask what this host can do and check that the answer is honest. */
int plugin_probe(struct plugin *p, uint32_t timeout_ms, struct hvp_caps *ret, struct err *err);
const struct hvp_caps *plugin_caps(const struct plugin *p); /* zeroed before plugin_probe */

/*
 * 0, or -ENODEV with a sentence: this host lacks what the descriptor requires. Then the .so need
 * not be loaded at all, and with it none of a hypervisor's libraries.
 */
int plugin_host_fits(const struct descriptor *d, struct err *err);

/* Open and probe in a child process: nothing is loaded here and a crash there is only an error. On
 * a host that does not fit nothing is loaded there either. */
struct plugin_info {
    char name[64], version[64]; /* of the plug-in, not of the hypervisor */
    uint32_t thread_model;
    struct hvp_caps caps;
};
int plugin_probe_isolated(const struct descriptor *d, const struct hvp_host *host,
                          uint32_t timeout_ms, struct plugin_info *ret, struct err *err);
/* Only open: whether the plug-in can be loaded and takes each key of the descriptor. */
int plugin_open_isolated(const struct descriptor *d, const struct hvp_host *host,
                         uint32_t timeout_ms, struct err *err);
/* The same, and whether it knows the words of spec that an operator writes: see vm_words of hvp.h.
 * A plug-in that cannot tell knows them all. */
int plugin_words_isolated(const struct descriptor *d, const struct hvp_host *host,
                          const struct hvp_vm_spec *spec, uint32_t timeout_ms, struct err *err);

/* Whether VMs can have NICs that core can connect, and whether these are on interfaces that the VMM
 * makes, not on core's taps. */
bool plugin_nics(const struct hvp_caps *caps);
bool plugin_nics_hostif(const struct hvp_caps *caps);

/* Names for people and machines: "template"; NULL for an unknown bit or number. */
const char *plugin_cap_name(unsigned bit);
const char *plugin_device_name(unsigned kind);    /* "disk" */
const char *plugin_protocol_name(unsigned proto); /* "nbd" */
const char *plugin_format_name(unsigned format);  /* "qcow2" */
const char *plugin_event_name(unsigned kind);     /* "panic" */
const char *plugin_state_name(unsigned state);    /* "running" */
const char *plugin_thread_model_name(unsigned model);

/* 0, or -ENOTSUP with the reason why a VM like this cannot be made by a back-end with these caps.
 */
int plugin_spec_check(const struct hvp_caps *caps, const struct hvp_vm_spec *spec, struct err *err);

/*
 * The ops of hvp.h, same meaning. They wait for the lock that the thread model asks for (time that
 * timeout_ms does not count), and answer -ENOTSUP with a sentence where op or capability is
 * missing. Call all but close from a worker: event_next, too, may have to wait for a running op.
 */
int plugin_vm_create(struct plugin *p, const struct hvp_vm_spec *spec, uint32_t timeout_ms,
                     struct plugin_vm **ret, struct err *err);
int plugin_vm_restore(struct plugin *p, const struct hvp_vm_spec *spec, const char *dir,
                      uint32_t timeout_ms, struct plugin_vm **ret, struct err *err);
int plugin_vm_reopen(struct plugin *p, const char *ref, uint32_t timeout_ms, struct plugin_vm **ret,
                     struct err *err);
void plugin_vm_close(struct plugin_vm *vm); /* NULL is fine; no other call may be under way */

int plugin_vm_start(struct plugin_vm *vm, uint32_t timeout_ms, struct err *err);
int plugin_vm_stop(struct plugin_vm *vm, uint32_t timeout_ms, struct err *err);
int plugin_vm_destroy(struct plugin_vm *vm, uint32_t timeout_ms, struct err *err);
int plugin_vm_pause(struct plugin_vm *vm, uint32_t timeout_ms, struct err *err);
int plugin_vm_resume(struct plugin_vm *vm, uint32_t timeout_ms, struct err *err);
int plugin_vm_save(struct plugin_vm *vm, const char *dir, uint32_t timeout_ms, struct err *err);
int plugin_vm_state(struct plugin_vm *vm, uint32_t *ret, struct err *err);
int plugin_vm_ref(struct plugin_vm *vm, char buf[HVP_REF_MAX], struct err *err);
int plugin_vm_event_fd(struct plugin_vm *vm, int *ret_fd,
                       struct err *err); /* stays the plug-in's */
/* 1 = an event, 0 = none now, -errno. */
int plugin_vm_event_next(struct plugin_vm *vm, struct hvp_event *ret, struct err *err);
int plugin_vm_agent_open(struct plugin_vm *vm, uint32_t port, uint32_t timeout_ms, int *ret_fd,
                         struct err *err);
int plugin_vm_console_open(struct plugin_vm *vm, uint32_t timeout_ms, int *ret_fd, struct err *err);
int plugin_vm_set_vcpus(struct plugin_vm *vm, uint32_t vcpus, uint32_t timeout_ms,
                        uint32_t *ret_reached, struct err *err);
int plugin_vm_set_memory(struct plugin_vm *vm, uint64_t bytes, uint32_t timeout_ms,
                         uint64_t *ret_reached, struct err *err);
int plugin_vm_stats(struct plugin_vm *vm, uint32_t timeout_ms, struct hvp_stats *ret,
                    struct err *err);
int plugin_vm_rename(struct plugin_vm *vm, const char *id, const struct hvp_kv *metadata,
                     size_t n_metadata, uint32_t timeout_ms, struct err *err);
int plugin_vm_pids(struct plugin_vm *vm, int32_t *pids, size_t cap, size_t *ret_n, struct err *err);

int plugin_device_attach(struct plugin_vm *vm, const struct hvp_device *dev, uint32_t timeout_ms,
                         struct err *err);
int plugin_device_detach(struct plugin_vm *vm, const char *tag, uint32_t timeout_ms,
                         struct err *err);
int plugin_device_update(struct plugin_vm *vm, const struct hvp_device *dev, uint32_t timeout_ms,
                         struct err *err);
int plugin_device_addr(struct plugin_vm *vm, const char *tag, char buf[HVP_ADDR_MAX],
                       struct err *err);
int plugin_nic_hostif(struct plugin_vm *vm, const char *tag, char buf[HVP_ADDR_MAX],
                      struct err *err);

/* each must not call back into this plug-in; a non-zero value of it ends the walk. */
int plugin_vm_list(struct plugin *p, int (*each)(void *ctx, const struct hvp_vm_info *info),
                   void *ctx, uint32_t timeout_ms, struct err *err);
int plugin_template_key(struct plugin *p, const struct hvp_vm_spec *spec, char buf[HVP_REF_MAX],
                        struct err *err);

#endif
