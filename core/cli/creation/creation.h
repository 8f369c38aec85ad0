/* SPDX-License-Identifier: Apache-2.0 */
/*
 * creation.h - one container on its way from a bundle to "created", with everything that must be
 * undone when a step fails. For create.c and run.c; creation.c has the order of the steps, which
 * are in vm.c, sandbox_start.c (processes), container_make.c (plan, mounts, hooks) and undo.c.
 */
#ifndef CLI_CREATION_H
#define CLI_CREATION_H
#include "base/fd.h"
#include "cgroup/systemd.h"
#include "cli/creation/choice.h"
#include "cli/cli.h"
#include "cli/disks/disks.h"
#include "cli/creation/interrupt.h"
#include "cli/network/network.h"
#include "plan/build.h"
#include "template/template.h"

struct child {
    pid_t pid;
    int pidfd;
};

struct creation {
    const struct cli *cli;
    const char *id, *bundle, *pid_file; /* borrowed */
    int stdio[3];                       /* borrowed; what the container gets */
    struct oci_spec *spec;
    struct choice choice; /* of a VM of its own */
    bool member;          /* of the VM of owner */
    bool dry_run;         /* decide as explain does, change nothing */
    struct container owner;
    struct state_dir dir; /* locked */
    bool made_dir, wrote_pid_file, committed;
    struct state state;
    struct cgroup_host cgroup_host;
    struct cgroup_scope scope, vm_scope; /* with --systemd-cgroup */
    pid_t holders[2];                    /* who keep a scope alive until others are in it */
    struct strv cgroups;                 /* the container's directories */
    struct strv
        vm_cgroups; /* those of monitor and VMM where they have some of their own: a pod's */
    struct child monitor, proxy;
    int sock;       /* to the monitor */
    int proxy_sock; /* the monitor's end of the proxy's socket */
    int proxy_end;  /* the proxy's own, until that has been started */
    struct plan_container plan;
    struct plan_shares shares;
    struct disks disks;
    struct network_nics nics;
    int *mounts; /* descriptors, one per share */
    size_t n_mounts;
    struct interrupt interrupt; /* from the first thing made to the commit */
    struct fd_reserve reserve;  /* as long: for the undo */
    struct template template;   /* while the VM is cloned from it */
    bool cloning;
    char *pool_member;        /* the VM was made before, under this name (pool.h) */
    struct kvs pool_facts;    /* of a VM that may come from a pool, or that is made for one */
    int pool_pass;            /* over which it hands over what it has kept: */
    int pool_ns;              /* the network namespace with its taps */
    struct strv pool_cgroups; /* those that it leaves for ours */
    /* Instead of the commit; NULL = that. */
    int (*complete)(struct creation *c, struct err *err);
    bool keep_vm; /* it outlives its containers */
};

#define CREATION_INIT                                                                              \
    {                                                                                              \
        .owner = {.dir = {-1, NULL}}, .dir = {-1, NULL}, .monitor = {0, -1}, .proxy = {0, -1},     \
        .sock = -1, .proxy_sock = -1, .proxy_end = -1, .pool_pass = -1, .pool_ns = -1,             \
        .interrupt = {.fd = -1}, .template = TEMPLATE_INIT                                         \
    }

/* Read bundle and configuration, choose, and refuse what cannot work. Touches nothing. */
int creation_prepare(struct creation *c, struct err *err);

/* Everything up to "created" and committed. On failure nothing is left. */
int creation_execute(struct creation *c, struct err *err);

/* Free memory and descriptors; what was created lives on if it was committed. */
void creation_done(struct creation *c);

/* What is asked of the monitor, until it has been; the reply ends the wait, and so does a signal.
 */
enum { SEQ_SANDBOX = 1, SEQ_CREATE };
uint64_t creation_deadline(const struct creation *c);
int creation_wait(const struct creation *c, uint32_t seq, struct ipc_reply *ret, struct err *err);

/* undo.c */
void creation_undo(struct creation *c);
/* End a child of ours that has been told, or has nothing more to live for. */
void creation_end_child(struct child *child);

/* vm.c */
int vm_begin(struct creation *c, struct err *err); /* make it; one of the pool is there */
int vm_begin_anew(struct creation *c, const struct err *why, struct err *err); /* that was none */
int vm_join(struct creation *c, struct err *err);                              /* the owner's */
int vm_settle_clone(struct creation *c, struct err *err); /* 1: it boots instead */
int vm_settle_boot(struct creation *c, struct err *err);

/* creation_record.c: fill c->state from the choice and the bundle, or from the VM it joins. */
int creation_record(struct creation *c, struct err *err);

/* sandbox_start.c */
int sandbox_spawn(const struct cli *cli, const char *state_dir, int *ret_sock,
                  struct child *ret_monitor, struct err *err);
int sandbox_spawn_monitor(struct creation *c, struct err *err);
/* From here on this process and what it starts is as dear to the host's OOM killer as the bundle
 * says: engines that are spared themselves would hand that on to the VM. */
void sandbox_take_oom_score(const struct creation *c);
int sandbox_proxy_socket(struct creation *c, struct err *err); /* if there is none yet */
int sandbox_spawn_proxy(struct creation *c, struct err *err);
int sandbox_request(struct creation *c, uint32_t seq, struct err *err);
/* Where a hypervisor has a place for it, its tools show whose VM it is. */
void sandbox_metadata(const struct creation *c, struct kvs *ret);
/* A VM like that of c which is none of a container's. */
struct sandbox_place {
    const char *id, *state_dir, *run_dir;
    enum ipc_template_use use;
    const char *template_dir, *template_key;
};
int sandbox_send(const struct creation *c, const struct sandbox_place *place,
                 const struct network_nics *nics, int sock, uint32_t seq, struct err *err);

/* host_cgroups.c: what they will be, for the record; make them; the VM is up; holders may go */
int host_cgroups_find(struct creation *c, struct err *err);
int host_cgroups_make(struct creation *c, struct err *err);
int host_cgroups_booted(struct creation *c, struct err *err);
void host_cgroups_release(struct creation *c);

/* container_make.c */
int container_plan(struct creation *c, struct err *err);
int container_hooks(struct creation *c, struct err *err);
int container_send(struct creation *c, uint32_t seq, struct err *err);
/* Nobody else will be asked for it. A VM of the pool may yet have to be given up. */
void container_sent(struct creation *c);

/* proxy_root.c; after the guest has made the container and with it the mount points */
int proxy_enter_root(struct creation *c, struct err *err);

#endif
