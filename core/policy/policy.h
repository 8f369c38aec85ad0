/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy.h - which class a workload belongs to, which hypervisor it gets, how large its VM is.
 * Pure functions without I/O: the CLI and the monitor gather the facts, `explain` prints the
 * result. Everything fails closed: no usable candidate of the class's own list, no VM.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"
#include "config/config.h"
#include "oci/oci.h"

#define POLICY_ANNOTATION_CLASS "org.anyvisor.class" /* a workload asks for a selectable class */
#define POLICY_ANNOTATION_ARCH "org.anyvisor.arch"   /* the guest's architecture, as uname -m */
/* What a workload asks for; counts only when `annotations.allow` has the key. */
#define POLICY_ANNOTATION_MEMORY "org.anyvisor.vm.memory"
#define POLICY_ANNOTATION_VCPUS "org.anyvisor.vm.vcpus"
#define POLICY_ANNOTATION_KERNEL_ARGS "org.anyvisor.vm.kernel_args"
/* An image file or block device with the root file system: "PATH,OPTION...". */
#define POLICY_ANNOTATION_ROOTFS "org.anyvisor.rootfs"
/* The port of OpenStack's Neutron, for who looks at the VM. */
#define POLICY_ANNOTATION_PORT "org.anyvisor.neutron.port"
/* Volumes of OpenStack's Cinder, one for each key that begins so (storage/connection.h). */
#define POLICY_ANNOTATION_CINDER "org.anyvisor.cinder"
#define POLICY_CLASS_DEFAULT "default" /* the name of what matches no class */
#define POLICY_MEMORY_DEFAULT (2 * GIB)
#define POLICY_MEMORY_MIN (128 * MIB)

struct workload_mount {
    char *destination, *type, *source; /* type and source may be NULL */
    struct strv options;
};

/* What the policy looks at. Strings are owned; NULL = unknown, matches no pattern. */
struct workload {
    char *pod_namespace, *pod_name, *container_name, *image, *runtime, *arch;
    char *platform; /* OCI's "linux/amd64" */
    char *cgroup;   /* cgroupsPath */
    char *user;     /* the uid as text */
    char *chosen;   /* the class that the caller names (--class): no rule is asked; may be NULL */
    struct workload_mount *mounts;
    size_t n_mounts;
    struct kvs annotations;
    bool is_sandbox, in_sandbox;    /* CRI: the pod's sandbox container; one of its members */
    char *sandbox_id;               /* in_sandbox: whose */
    uint64_t memory_limit;          /* bytes; 0 = none */
    uint64_t cpu_quota, cpu_period; /* microseconds; quota 0 = none */
    bool own_network;               /* a network namespace other than the host's */
};

/*
 * From the bundle; runtime (what the engine calls us) and host_arch come from the caller. The
 * architecture is the annotation's, else the image's, else the host's. Pod names, and the sizes
 * of a pod, are normalised from containerd's, CRI-O's and podman's annotations.
 */
void workload_from_spec(const struct oci_spec *spec, const char *runtime, const char *host_arch,
                        struct workload *ret);
void workload_done(struct workload *w);
/* By the annotations of containerd and CRI-O: a pod's sandbox container. */
bool workload_is_sandbox(const struct kvs *annotations);

/* One back-end as the caller found it: descriptor, then probe. Strings are borrowed. */
struct policy_candidate {
    const char *name, *arch;
    bool usable;        /* modules present, plug-in loaded, probe said yes */
    const char *reason; /* why not usable, or what probe said; may be NULL */
    bool has_9p;        /* HVP_CAP_SHARE_9P */
    bool can_pause, can_stats;
    uint32_t vcpus_max;  /* 0 = unknown */
    uint64_t memory_max; /* bytes; 0 = unknown */
};

enum policy_verdict {
    POLICY_CHOSEN,
    POLICY_SPARE, /* would do, but an earlier one was chosen */
    POLICY_RULED_OUT,
    POLICY_UNLISTED, /* there, but the class does not list it */
};

struct policy_option { /* one hypervisor name of the list that counted */
    char *name;
    enum policy_verdict verdict;
    char *reason;  /* a sentence; never NULL */
    int candidate; /* index into candidates[]; -1: no descriptor of that name */
};

struct policy_size {
    uint32_t vcpus;
    bool vcpus_auto;              /* nobody said a number: a back-end with fewer will do */
    uint32_t vcpus_max;           /* when it has grown; at least vcpus */
    uint64_t memory;              /* bytes, whole MiB: RAM of the VM */
    uint64_t memory_max;          /* the same, when it has grown; at least memory */
    uint64_t overhead;            /* bytes the host adds to the cgroup limit around the VM */
    char *vcpus_why, *memory_why; /* sentences for explain */
    /* NULL = the VM keeps its size */
    char *vcpus_max_why, *memory_max_why;
};

struct decision {
    char *cls;  /* class name; "default" when no class matched */
    char *rule; /* which rule matched: "classes[1] 'untrusted' (FILE:12)" */
    char *rootfs_storage, *volume_storage; /* the policy word chosen */
    struct policy_option *options;         /* listed ones in order, then unlisted ones */
    size_t n_options;
    int chosen; /* index into candidates[]; -1 = none */
    struct policy_size size;
    char *kernel, *image, *kernel_args; /* NULL = default assets */
    char *machine, *cpu_model;          /* NULL = the back-end's choice */
    struct kvs vm_options;              /* for the plug-in, defaults and class together */
    /* The class's or the defaults' storage, whole: borrowed from the configuration. */
    struct {
        const struct strv *rootfs, *volumes; /* the words in order */
        const struct strv *images;           /* patterns of files that are disk images */
        uint64_t msize;
        const char *cache, *security_model; /* of the 9p share; security_model NULL = back-end's */
        struct config_sized tmp, scratch;   /* strings borrowed */
        const struct config_volume *extra;  /* volumes that the class adds */
        size_t n_extra;
    } storage;
    const struct strv *attach; /* how NICs come to interfaces, best first; borrowed likewise */
    uint64_t boot_timeout_s;
    char *template_scope;    /* whose template the VM may come from; NULL = it boots */
    char *template_why;      /* a sentence for explain */
    struct config_pool pool; /* size 0: no VM waits for it */
    char *pool_why;          /* a sentence for explain */
    struct kvs granted; /* org.anyvisor.* annotations that the operator lets this workload set */
    struct strv notes;  /* what was asked for and not granted, ignored annotations */
};

/*
 * Decide. `host_cpus` bounds automatic vCPU counts. Returns 0 with chosen >= 0, or -errno with a
 * sentence that names every alternative and why it fell; *ret is filled in both cases when a class
 * was found (explain prints it), so always call decision_done.
 */
int policy_choose(const struct config *config, const struct workload *w,
                  const struct policy_candidate *candidates, size_t n, uint32_t host_cpus,
                  struct decision *ret, struct err *err);
void decision_done(struct decision *d);

/*
 * Storage alone, for a container that joins a VM: by the name of the class that the VM was given.
 * Fills cls, storage, granted and notes of *ret.
 */
int policy_storage(const struct config *config, const char *cls, const struct workload *w,
                   struct decision *ret, struct err *err);

/*
 * Class alone: *ret_index into config->classes, -1 = the defaults. w->chosen decides if it is set.
 * Else the first class wins whose `match` holds, or which is selectable and asked for by name. A
 * workload that asks for a class that is not selectable (-EACCES) or not there (-ENOENT) gets none:
 * it must not start with less than it wants.
 */
int policy_class(const struct config *config, const struct workload *w, int *ret_index,
                 struct err *err);

/* The hypervisor names that count for a class index: what the caller needs to probe, in order. */
const struct strv *policy_hypervisors(const struct config *config, int class_index);

/* Sizes. limit 0 = none; result is whole MiB and at least POLICY_MEMORY_MIN: limit, overhead, and
 * what the guest's kernel needs to manage that much memory. */
uint64_t policy_vm_memory(uint64_t limit, uint64_t overhead);
uint32_t policy_vm_vcpus(uint64_t quota, uint64_t period, uint32_t host_cpus);

/* What `anyvisor explain` prints; malloc'ed. */
char *decision_explain_text(const struct decision *d);
const char *policy_verdict_name(enum policy_verdict v); /* "chosen", "spare", ... */

#endif
