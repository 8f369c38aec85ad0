/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build.h - from the bundle to the plan that the agent executes, and to the list of host paths that
 * must be in the share before it can. For create, exec and update (monitor, CLI).
 * No I/O but what the callbacks of plan_input do.
 */
#ifndef PLAN_BUILD_H
#define PLAN_BUILD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"
#include "oci/oci.h"
#include "proto/plan.h"

/* What a bind mount's source is on the host, as statx and statfs say. */
enum plan_source_kind {
    PLAN_SRC_DIR,
    PLAN_SRC_FILE,
    PLAN_SRC_SOCKET,
    PLAN_SRC_DEVICE,
    PLAN_SRC_FIFO
};
struct plan_source {
    enum plan_source_kind kind;
    bool on_tmpfs;    /* the file system is a tmpfs */
    uint64_t fs_size; /* bytes of that file system */
    uint64_t fs_id;   /* names it: st_dev; members of a pod share by it */
    uint32_t mode;    /* permission bits of the source */
    bool shared;      /* its mount has peers: mounts below it show up in other mount namespaces */
    uint64_t id;      /* equal for all paths to one file with the same mounts below; 0 = unknown */
};

/* More devices than this: --privileged wrote them, nobody chose them. */
#define PLAN_PRIVILEGED_DEVICES 16

/* What travels as a disk instead of through the share; strings are borrowed. */
enum plan_disk_use { PLAN_DISK_ROOT, PLAN_DISK_MOUNT, PLAN_DISK_DEVICE };
struct plan_disk {
    enum plan_disk_use use;
    size_t index;                   /* of mounts[] or linux.devices[] */
    const char *tag;                /* serial number */
    const char *fs, *data, *subdir; /* as in plan_mount; NULL = none */
    bool overlay;                   /* ROOT: what is written goes elsewhere */
    const char *upper;              /* namely to the disk of this tag; NULL = to a tmpfs */
    uint64_t upper_size;            /* of this size; 0 = the guest's choice */
    bool scratch;                   /* MOUNT: nobody wants what is on it after the VM */
};

/* mounts[index] is on a server of the network: source "HOST:/PATH". Strings are borrowed. */
struct plan_nfs {
    size_t index;
    char *source, *data;
};

struct plan_input {
    const char *id;   /* the OCI id; checked by the caller */
    const char *arch; /* the guest's, as uname -m: seccomp is compiled for it */
    uint32_t vcpus;   /* of the VM: bounds cpuset */
    /* The container that the VM belongs to, when it is another one; NULL = it is ours alone. */
    const char *sandbox;
    /* Which of "/dev/fuse" and "/dev/net/tun" the guest has; NULL: both. */
    const struct strv *guest_devices;
    const char *state_json; /* for startContainer hooks; NULL = none */
    const struct plan_disk *disks;
    size_t n_disks;
    const struct plan_nfs *nfs;
    size_t n_nfs;
    void *ctx; /* of the callbacks */
    /* Look at a bind source. 0 or -errno with a sentence. NULL: every source is a directory. */
    int (*source)(void *ctx, const char *path, struct plan_source *ret, struct err *err);
    /*
     * "/proc/PID/ns/ipc" -> id of the container of this sandbox that PID stands for, malloc'ed.
     * 0, or -ENOENT: not ours (then a new namespace is made). NULL: always -ENOENT.
     */
    int (*resolve_ns)(void *ctx, const char *path, char **ret_id);
};

/* One host path to bind into the share. */
struct plan_share {
    char *host_path; /* absolute */
    char *name;      /* in the share: "ID", "ID:3/etc", ":1122334455667788rR/data" */
    bool is_file, recursive, readonly, nosuid, nodev, noexec;
    bool slave;     /* later host mounts below it shall appear (rslave) */
    bool host_only; /* the root whose files the guest has on a disk: only for who looks from here */
};
struct plan_shares {
    struct plan_share *v; /* rootfs first, then in the bundle's order */
    size_t n;
    struct strv warnings; /* sentences for the log: what was ignored or dropped */
};
void plan_shares_done(struct plan_shares *s);

/*
 * Whether a bind of this source shows what the guest has itself: trees of the kernel, memory. All
 * others go through the share or become disks.
 */
bool plan_bind_is_guests(const char *source, const char *dest, const struct plan_source *facts);

/*
 * On failure both outputs are untouched. The process always has PLAN_P_STDIN: a caller whose stdin
 * is /dev/null takes it away.
 * Free with plan_container_done and plan_shares_done.
 */
int plan_build(const struct oci_spec *spec, const struct plan_input *in, struct plan_container *ret,
               struct plan_shares *ret_shares, struct err *err);

/*
 * A process to exec in a container: p from --process; seccomp comes from the container's spec,
 * and so do capabilities, rlimits, umask and the OOM score where p says nothing, as in runc.
 * warnings may be NULL.
 */
int plan_process_build(const struct oci_process *p, const struct oci_spec *container,
                       const struct plan_input *in, struct plan_process *ret, struct strv *warnings,
                       struct err *err);

/*
 * runc's exec from the command line: the container's process with other args and env added;
 * the result is freed with oci_process_free. NULL or -1 members keep the container's.
 */
struct plan_exec_options {
    const char *const *args; /* NULL-terminated */
    const char *const *env;  /* NULL-terminated "K=V"; may be NULL */
    const char *const *caps; /* added to bounding, effective, permitted; NULL = none */
    const uint32_t *gids;    /* additional groups, added */
    size_t n_gids;
    const char *cwd;
    int64_t uid, gid;           /* -1 */
    int terminal, no_new_privs; /* -1, 0, 1; -1 for terminal means 0 */
    const char *apparmor, *process_label;
};
struct oci_process *plan_exec_process(const struct oci_spec *container,
                                      const struct plan_exec_options *o);

/*
 * linux.resources -> guest cgroup v2 files: the body of UPDATE. Device rules are plan_build's
 * alone, for `update` leaves the filter as it is (Docker sends "deny all" with every update). A
 * limit of 0 is none given. warnings may be NULL.
 */
int plan_cgroup_build(const struct oci_resources *r, const struct plan_input *in,
                      struct plan_cgroup *ret, struct strv *warnings, struct err *err);

#endif
