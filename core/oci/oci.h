/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oci.h - config.json of the OCI runtime specification (1.0.2 to 1.2, Linux) as plain structs.
 * For plan, policy, cgroup, hooks, state and the CLI. Parsing checks types, ranges and sizes, not
 * whether a VM can do it: that is for plan and policy. Unknown fields are ignored, as the
 * specification asks. Sentences name the key: "config.json: process.user.uid: expected a number".
 */
#ifndef OCI_OCI_H
#define OCI_OCI_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"

#define OCI_CONFIG_MAX (8u << 20) /* bytes of config.json, process and resources files */
#define OCI_UMASK_UNSET UINT32_MAX

/* A number that the bundle may leave out. */
struct oci_i64 {
    bool set;
    int64_t value;
};
struct oci_u64 {
    bool set;
    uint64_t value;
};

struct oci_idmap {
    uint32_t container_id, host_id, size;
};
struct oci_idmaps {
    struct oci_idmap *v;
    size_t n;
};

struct oci_mount {
    char *destination;   /* never NULL */
    char *type, *source; /* may be NULL */
    struct strv options;
    struct oci_idmaps uid_map, gid_map;
};

struct oci_user {
    uint32_t uid, gid;
    uint32_t umask; /* OCI_UMASK_UNSET */
    uint32_t *gids; /* additionalGids */
    size_t n_gids;
};

struct oci_rlimit {
    char *type; /* "RLIMIT_NOFILE" */
    uint64_t soft, hard;
};

enum {
    OCI_CAP_BOUNDING,
    OCI_CAP_EFFECTIVE,
    OCI_CAP_PERMITTED,
    OCI_CAP_INHERITABLE,
    OCI_CAP_AMBIENT,
    OCI_CAP_SETS
};

struct oci_process {
    bool present; /* config.json may come without a process */
    bool terminal, no_new_privs;
    uint32_t rows, cols; /* consoleSize; 0 = not given */
    struct oci_user user;
    struct strv args, env;
    char *cwd;
    bool has_caps;
    struct strv caps[OCI_CAP_SETS]; /* names as written, "CAP_CHOWN" */
    struct oci_rlimit *rlimits;
    size_t n_rlimits;
    struct oci_i64 oom_score_adj;
    char *apparmor_profile, *selinux_label;
    struct {
        bool set;
        char *cls; /* "IOPRIO_CLASS_BE" */
        int64_t priority;
    } io_priority;
    struct {
        bool set;
        char *policy; /* "SCHED_FIFO" */
        int64_t nice, priority;
    } scheduler;
};

enum oci_hook_kind {
    OCI_HOOK_PRESTART,
    OCI_HOOK_CREATE_RUNTIME,
    OCI_HOOK_CREATE_CONTAINER,
    OCI_HOOK_START_CONTAINER,
    OCI_HOOK_POSTSTART,
    OCI_HOOK_POSTSTOP,
    OCI_HOOK_KINDS
};

struct oci_hook {
    char *path;            /* absolute */
    struct strv args, env; /* args[0] is argv[0]; empty: path */
    uint32_t timeout_s;    /* 0 = none */
};
struct oci_hooks {
    struct oci_hook *v;
    size_t n;
};

struct oci_device {
    char *path, *type; /* "c", "b", "u", "p" */
    int64_t major, minor;
    struct oci_u64 file_mode, uid, gid;
};

enum oci_ns_kind {
    OCI_NS_PID,
    OCI_NS_NETWORK,
    OCI_NS_IPC,
    OCI_NS_UTS,
    OCI_NS_MOUNT,
    OCI_NS_CGROUP,
    OCI_NS_USER,
    OCI_NS_TIME,
    OCI_NS_KINDS
};
struct oci_namespace {
    bool listed; /* in linux.namespaces: new, or joined by path */
    char *path;  /* NULL = a new one */
};

struct oci_device_rule {
    bool allow;
    char *type; /* "a", "b", "c"; NULL = all */
    struct oci_i64 major, minor;
    char *access; /* "rwm"; NULL = all */
};

struct oci_weight_device {
    int64_t major, minor;
    struct oci_u64 weight, leaf_weight;
};
struct oci_throttle {
    int64_t major, minor;
    uint64_t rate;
};
enum {
    OCI_THROTTLE_READ_BPS,
    OCI_THROTTLE_WRITE_BPS,
    OCI_THROTTLE_READ_IOPS,
    OCI_THROTTLE_WRITE_IOPS,
    OCI_THROTTLE_KINDS
};
struct oci_throttles {
    struct oci_throttle *v;
    size_t n;
};

struct oci_hugepage_limit {
    char *page_size; /* "2MB" */
    uint64_t limit;
};
struct oci_net_priority {
    char *name;
    uint32_t priority;
};
struct oci_rdma {
    char *device;
    struct oci_u64 hca_handles, hca_objects;
};

struct oci_resources {
    struct oci_device_rule *devices;
    size_t n_devices;
    struct {
        struct oci_i64 limit, reservation, swap, kernel, kernel_tcp;
        struct oci_u64 swappiness;
        bool disable_oom_killer, use_hierarchy, check_before_update;
    } memory;
    struct {
        struct oci_u64 shares, period, realtime_period, burst;
        struct oci_i64 quota, realtime_runtime, idle;
        char *cpus, *mems;
    } cpu;
    struct oci_i64 pids_limit;
    struct {
        struct oci_u64 weight, leaf_weight;
        struct oci_weight_device *weight_devices;
        size_t n_weight_devices;
        struct oci_throttles throttle[OCI_THROTTLE_KINDS];
    } block_io;
    struct oci_hugepage_limit *hugepages;
    size_t n_hugepages;
    struct oci_u64 net_class_id;
    struct oci_net_priority *net_priorities;
    size_t n_net_priorities;
    struct oci_rdma *rdma;
    size_t n_rdma;
    struct kvs unified; /* cgroup v2 file -> text */
};

struct oci_seccomp_arg {
    uint32_t index;
    uint64_t value, value_two;
    char *op; /* "SCMP_CMP_EQ" */
};
struct oci_seccomp_rule {
    struct strv names;
    char *action;
    struct oci_u64 errno_ret;
    struct oci_seccomp_arg *args;
    size_t n_args;
};
struct oci_seccomp {
    bool present;
    char *default_action, *listener_path;
    struct oci_u64 default_errno;
    struct strv architectures, flags;
    struct oci_seccomp_rule *rules;
    size_t n_rules;
};

struct oci_linux {
    struct oci_namespace ns[OCI_NS_KINDS];
    struct oci_idmaps uid_map, gid_map;
    struct oci_device *devices;
    size_t n_devices;
    char *cgroups_path, *rootfs_propagation, *mount_label;
    struct oci_resources resources;
    struct oci_seccomp seccomp;
    struct strv masked_paths, readonly_paths;
    struct kvs sysctl;
    char *personality; /* "LINUX32"; NULL = none */
};

struct oci_spec {
    char *version; /* ociVersion */
    char *bundle;  /* absolute; NULL when parsed from text */
    char *rootfs;  /* absolute when loaded from a bundle, else as written */
    bool rootfs_readonly;
    char *hostname, *domainname; /* NULL = leave */
    struct oci_mount *mounts;
    size_t n_mounts;
    struct oci_process process;
    struct oci_hooks hooks[OCI_HOOK_KINDS];
    struct kvs annotations;
    struct oci_linux linux_; /* `linux` is a predefined macro of gnu11 */
};

/* config.json of a bundle; bundle_dir may be relative. *ret is freed with oci_spec_free. */
int oci_bundle_load(const char *bundle_dir, struct oci_spec **ret, struct err *err);
int oci_spec_parse(const char *json, size_t len, struct oci_spec **ret, struct err *err);
void oci_spec_free(struct oci_spec *spec);

/* exec --process FILE and update --resources FILE: the text of the file. */
int oci_process_parse(const char *json, size_t len, struct oci_process **ret, struct err *err);
void oci_process_free(struct oci_process *p);
int oci_resources_parse(const char *json, size_t len, struct oci_resources **ret, struct err *err);
void oci_resources_free(struct oci_resources *r);

/* Words as JSON spells them: "prestart", "createRuntime", ...; "pid", "network", ... */
const char *oci_hook_name(enum oci_hook_kind kind);
const char *oci_namespace_name(enum oci_ns_kind kind);

/* Texts for `anyvisor features` and `anyvisor spec`: malloc'ed, pretty JSON, never NULL. */
char *oci_features_json(void);
char *oci_spec_default_json(bool rootless);

#endif
