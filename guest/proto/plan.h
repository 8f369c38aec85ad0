/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.h - what the agent shall make of one container or exec: checked on the host, small, no JSON.
 * Built by core/plan, executed by guest/agent. Strings and arrays are malloc'ed and owned by the
 * struct; {0} is empty; *_done frees and clears. Decoders bound every count (PLAN_*_MAX).
 */
#ifndef PROTO_PLAN_H
#define PROTO_PLAN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/wire.h"

#define PLAN_LIST_MAX 16384u  /* members of any list: args, env, mounts, ... */
#define PLAN_UNSET UINT64_MAX /* numbers that the bundle did not set */

struct plan_list { /* list of strings; v[n] is NULL when n > 0, for execve */
    char **v;
    size_t n;
};

struct plan_rlimit {
    uint32_t resource; /* RLIMIT_* of the generic Linux ABI */
    uint64_t soft, hard;
};

enum {
    PLAN_CAP_BOUNDING,
    PLAN_CAP_EFFECTIVE,
    PLAN_CAP_PERMITTED,
    PLAN_CAP_INHERITABLE,
    PLAN_CAP_AMBIENT,
    PLAN_CAP_SETS
};

enum {
    PLAN_P_TERMINAL = 1, /* a new pty of the container's devpts is stdin, out and err */
    PLAN_P_NO_NEW_PRIVS = 2,
    PLAN_P_CAPS = 4,      /* caps[] is meant; otherwise keep none */
    PLAN_P_OOM_SCORE = 8, /* oom_score_adj is meant */
    PLAN_P_STDIN = 16,    /* the host will send stdin; otherwise it is /dev/null */
};

struct plan_process {
    struct plan_list args, env;
    char *cwd;                /* absolute, inside the container; created if missing */
    uint32_t uid, gid, umask; /* umask: UINT32_MAX = 022 */
    uint32_t *gids;           /* additional groups */
    size_t n_gids;
    uint32_t flags;      /* PLAN_P_* */
    uint32_t rows, cols; /* terminal size; 0 = leave */
    int32_t oom_score_adj;
    uint64_t caps[PLAN_CAP_SETS]; /* bit n = capability n */
    struct plan_rlimit *rlimits;
    size_t n_rlimits;
    uint8_t *seccomp; /* array of struct sock_filter in the guest's byte order */
    size_t seccomp_len;
    uint32_t seccomp_flags; /* SECCOMP_FILTER_FLAG_* */
};

enum plan_mount_kind {
    PLAN_M_FS = 1, /* mount(source, dest, type, flags, data): proc, tmpfs, ... */
    PLAN_M_SHARE,  /* bind source (a path below the share) to dest */
    PLAN_M_BIND,   /* bind source (a path of the container itself) to dest */
    PLAN_M_SHM,    /* bind the sandbox's tmpfs named source; data = its options */
    PLAN_M_CGROUP, /* cgroup v2 of this container */
    PLAN_M_DISK,   /* the file system on the disk with serial number source, or subdir of it */
    PLAN_M_NFS,    /* source "HOST:/PATH", mounted by FRAME_MOUNT with the options data */
};
enum {
    PLAN_MF_COPYUP = 1,    /* tmpfs: keep what was at dest (tmpcopyup) */
    PLAN_MF_IS_FILE = 2,   /* SHARE, BIND: dest is made as a file */
    PLAN_MF_RECURSIVE = 4, /* BIND: with submounts */
    PLAN_MF_SCRATCH = 8,   /* DISK: what is on it ends with the VM */
};

struct plan_mount {
    uint32_t kind, flags; /* plan_mount_kind; PLAN_MF_* */
    char *source, *dest, *type, *data;
    uint64_t ms_flags;           /* MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, atime flags */
    uint64_t propagation;        /* MS_PRIVATE, MS_RSLAVE, ...; 0 = rprivate */
    uint64_t attr_set, attr_clr; /* recursive MOUNT_ATTR_* (rro, rnosuid, ...) by mount_setattr */
    char
        *subdir; /* DISK: below the disk's root; NULL = all of it. type NULL: by its magic number */
};

struct plan_device {
    char *path;    /* below the container's root */
    uint32_t type; /* 'c', 'b', 'p' */
    uint32_t major, minor, mode, uid, gid;
    char *disk; /* numbers are those that the guest gave the disk of this serial number */
};

struct plan_device_rule { /* in the order of the bundle; the last match wins */
    uint32_t allow, type; /* 0/1; 'a', 'c', 'b' */
    int64_t major, minor; /* -1 = any */
    uint32_t access;      /* BPF_DEVCG_ACC_MKNOD 1, _READ 2, _WRITE 4 */
    char *disk;           /* as in plan_device */
};

struct plan_pair { /* cgroup file or sysctl name -> text to write */
    char *key, *value;
};

struct plan_cgroup {         /* guest cgroup v2 of one container; also the body of UPDATE */
    struct plan_pair *files; /* "memory.max" -> "67108864"; missing controllers are an error */
    size_t n_files;
    struct plan_device_rule *rules;
    size_t n_rules;
};

enum plan_ns {
    PLAN_NS_PID,
    PLAN_NS_NET,
    PLAN_NS_IPC,
    PLAN_NS_UTS,
    PLAN_NS_MNT,
    PLAN_NS_CGROUP,
    PLAN_NS_USER,
    PLAN_NS_COUNT
};
enum {
    PLAN_NS_VM, /* share the VM's own: net (nothing to separate it from), ... */
    PLAN_NS_NEW,
    PLAN_NS_JOIN
}; /* of the container named in join[] in the same sandbox */

struct plan_idmap {
    uint32_t inside, outside, count;
};

struct plan_hook { /* startContainer: runs in the container right before exec */
    char *path;
    struct plan_list args, env;
    uint32_t timeout_s; /* 0 = none */
};

enum { PLAN_C_READONLY = 1 }; /* remount / read-only at the end */

/* A root file system on a disk instead of in the share. */
enum { PLAN_R_OVERLAY = 1 }; /* the disk is the lower layer, what is written goes elsewhere */
struct plan_root {
    char *disk;                 /* serial number; NULL = rootfs in the share counts */
    char *type, *data, *subdir; /* as in plan_mount */
    uint32_t flags;             /* PLAN_R_* */
    char *upper;                /* OVERLAY: disk for what is written; NULL = a tmpfs */
    uint64_t upper_size;        /* OVERLAY: bytes of that tmpfs; 0 = half of the memory */
};

struct plan_container {
    char *id;                    /* the OCI id */
    char *rootfs;                /* path below the share; NULL = root.disk */
    char *hostname, *domainname; /* NULL = leave */
    char *state;                 /* OCI state JSON for startContainer hooks (stdin); may be NULL */
    uint32_t flags;              /* PLAN_C_* */
    uint64_t root_propagation;   /* MS_*; 0 = MS_PRIVATE|MS_REC */
    uint8_t ns[PLAN_NS_COUNT];   /* PLAN_NS_VM, _NEW, _JOIN */
    char *join[PLAN_NS_COUNT];   /* container ids */
    struct plan_idmap *uid_map, *gid_map;
    size_t n_uid_map, n_gid_map;
    struct plan_mount *mounts; /* in the bundle's order */
    size_t n_mounts;
    struct plan_device *devices; /* beside the standard ones, which the agent always makes */
    size_t n_devices;
    struct plan_list masked, readonly;
    struct plan_pair *sysctl; /* "net.ipv4.ip_forward" -> "0" */
    size_t n_sysctl;
    struct plan_cgroup cgroup;
    struct plan_hook *hooks;
    size_t n_hooks;
    struct plan_process process;
    struct plan_root root;
};

void plan_process_done(struct plan_process *p);
void plan_container_done(struct plan_container *c);
void plan_cgroup_done(struct plan_cgroup *c);

/* Encode into w (check wbuf_ok). Decode: 0 or -EPROTO, -E2BIG (list too long), -ENOMEM; on failure
 * *ret is empty. Decoders also check enums, terminate strings and refuse NUL bytes within them. */
void plan_process_put(struct wbuf *w, const struct plan_process *p);
void plan_container_put(struct wbuf *w, const struct plan_container *c);
void plan_cgroup_put(struct wbuf *w, const struct plan_cgroup *c);
int plan_process_get(struct wire body, struct plan_process *ret);
int plan_container_get(struct wire body, struct plan_container *ret);
int plan_cgroup_get(struct wire body, struct plan_cgroup *ret);

/* Append helpers for builders; -ENOMEM on failure. The strings are copied. */
int plan_list_add(struct plan_list *l, const char *s);
void plan_list_done(struct plan_list *l);

#endif
