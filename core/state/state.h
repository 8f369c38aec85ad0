/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.h - what is known of a container on disk: one directory per container below --root.
 * For cli and monitor. Everything that must be undone after a crash is recorded here before it is
 * done, so that `delete --force` and `gc` need nothing but this directory.
 *
 *   ROOT/ID/state.json   facts of create; written first as "creating", replaced when complete
 *   ROOT/ID/config.json  the bundle's configuration as it was at create
 *   ROOT/ID/status       one line "created", "running", "paused", "stopped N"; monitor's
 *   ROOT/ID/vm           one line: the plug-in's vm_ref, until the VM is gone (sandbox owner
 *                        only); monitor's
 *   ROOT/ID/monitor      one line "PID START_TIME" (sandbox owner only); monitor's
 *   ROOT/ID/{monitor.sock,monitor.log,console.log}
 */
#ifndef STATE_STATE_H
#define STATE_STATE_H
#include "base/err.h"
#include "base/proc.h"
#include "base/str.h"

enum state_status { STATE_CREATING, STATE_CREATED, STATE_RUNNING, STATE_PAUSED, STATE_STOPPED };

struct state {
    char *id, *bundle, *rootfs, *oci_version, *created; /* created: RFC 3339 */
    char *sandbox; /* id of the container that owns the VM; own id if alone */
    char *run_dir; /* plug-in's directory; only the owner of the VM has one */
    char *descriptor, *descriptor_file, *library; /* back-end of the VM */
    char *class_name, *owner;                     /* policy class; user name of the creator */
    struct kvs annotations;
    struct proc_id creator; /* the CLI that is (or was) creating it */
    struct proc_id proxy;   /* its pid is the container's pid for the engine */
    struct strv cgroups;    /* directories we made, outermost first; removed in reverse */
    struct strv attach;     /* how NICs come to interfaces: words of net_way_names */
    struct strv scopes;     /* systemd's units: the container's own, then its VM's if it has one */
    int terminal;
    uint64_t memory_limit; /* bytes: of the container; 0 = none */
    uint64_t cpu_limit;    /* thousandths of a processor: likewise */
    /* Bytes of the VM: its RAM, what that may grow to (no less, or 0), what of it is the guest's
     * own; and what the host adds around it, 0: it is not in our cgroups. */
    uint64_t vm_memory, vm_memory_max, vm_reserve, vm_overhead;
    uint32_t vm_vcpus;
    uint64_t vm_vcpus_max; /* that it may grow to; 0 = it keeps what it has */
    char *arch;            /* of the guest, as uname -m */
};

struct state_dir {
    int fd; /* directory; also carries the lock */
    char *path;
};

void state_done(struct state *s);
void state_dir_close(struct state_dir *d); /* for cleanup_call; drops the lock */

/* New directory, locked; -EEXIST "container with id 'X' already exists". ROOT is made if missing.
 */
int state_dir_create(const char *root, const char *id, struct state_dir *ret, struct err *err);

/* -ENOENT "container 'X' does not exist". Checks the id against path tricks. */
int state_dir_open(const char *root, const char *id, struct state_dir *ret, struct err *err);

/* Exclusive flock with a deadline (-ETIMEDOUT says who may hold it); the directory is checked to be
 * still linked: -ENOENT when somebody removed it meanwhile. */
int state_dir_lock(struct state_dir *d, uint64_t deadline_ns, struct err *err);

/* Atomic; read is bounded and checks types. */
int state_write(const struct state_dir *d, const struct state *s, struct err *err);
int state_read(const struct state_dir *d, struct state *ret, struct err *err);

/* status file; exit_code only with STATE_STOPPED. Reading a missing one gives STATE_CREATING. */
int state_status_write(int dirfd, enum state_status status, int exit_code, struct err *err);
int state_status_read(int dirfd, enum state_status *ret, int *ret_exit_code, struct err *err);
const char *state_status_name(enum state_status status);

/*
 * What is true now: the status file, corrected by whether the proxy still lives. A dead proxy is a
 * stopped container; "creating" with a dead creator is stopped too.
 */
enum state_status state_effective_status(const struct state_dir *d, const struct state *s);

/* monitor and vm files. -ENOENT without filling err when there is none. */
int state_monitor_write(int dirfd, const struct proc_id *id, struct err *err);
int state_monitor_read(int dirfd, struct proc_id *ret, struct err *err);
int state_vm_write(int dirfd, const char *ref, struct err *err);
int state_vm_read(int dirfd, char **ret, struct err *err);
void state_vm_forget(int dirfd); /* the VM is known to be gone */

/* Ids below root, sorted; a missing root is an empty list. */
int state_list(const char *root, struct strv *ret, struct err *err);

/* Remove the directory; a missing one is fine. */
int state_dir_remove(const char *root, const char *id, struct err *err);

/* OCI state document (runtime.md): ociVersion, id, status, pid, bundle, annotations; plus rootfs,
 * created, owner as runc prints them. Caller frees. */
char *state_oci_json(const struct state *s, enum state_status status);

#endif
