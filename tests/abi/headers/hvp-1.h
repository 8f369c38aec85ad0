/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hvp.h - the hypervisor plug-in ABI, major version 1 (64-bit Linux hosts).
 * The only header a plug-in author needs; core/plugin is the only caller of what is declared here.
 * Manual with lifecycle, promises and a walk-through: docs/hvp-plugin.md
 *
 * Structs grow only at the end; published members never move, change type or change meaning.
 * struct_size comes first in every struct and may differ either way between core and plug-in: read
 * a member only if HVP_HAS() says so, write no further than the other side's struct_size.  No
 * struct has padding, for a member put into tail padding would not change the size.  A break of
 * these rules means a new entry symbol.
 *
 * The small elements of arrays (hvp_kv, hvp_fd_map, hvp_ns, hvp_rlimit) are frozen.
 *
 * Strings are UTF-8, never NULL unless said, and belong to whoever made them: copy what you keep.
 * Reserved members are 0.  Masks of kinds hold the bit 1 << KIND.
 */
#ifndef ANYVISOR_HVP_H
#define ANYVISOR_HVP_H
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#ifdef __cplusplus
extern "C" {
#endif

#define HVP_ABI 1u         /* entry symbol: hvp_plugin_v1 */
#define HVP_TAG_MAX 20     /* bytes of a device tag without the NUL: virtio disk serial */
#define HVP_REF_MAX 1024   /* buffer for vm_ref and template_key, NUL included */
#define HVP_ADDR_MAX 128   /* buffer for device_addr and nic_hostif, NUL included */
#define HVP_RUN_DIR_MAX 72 /* bytes of run_dir, so that RUN_DIR/NAME fits a unix socket path */
#define HVP_NO_TIMEOUT UINT32_MAX /* timeouts are in ms; 0 = try once, do not wait */

/*
 * How the agent finds its channel in the guest.  Port N of a virtio-serial bus is named
 * HVP_CHANNEL_NAME followed by N in decimal, and nothing else is needed.  A plug-in that carries
 * the agent's channel (port 0) another way appends one word to the kernel command line:
 *     anyvisor.vsock=P    the agent connects to vsock port P of the host (CID 2)
 *     anyvisor.hvc=1      the console device /dev/hvc1 (Xen)
 */
#define HVP_CHANNEL_NAME "org.anyvisor.agent."

/* True when whoever built *p knew member m. */
#define HVP_HAS(p, type, m) ((p)->struct_size >= offsetof(type, m) + sizeof(((type *)0)->m))

/* Caller-owned: nothing is allocated, freed or shared across the boundary. */
struct hvp_error {
    uint32_t struct_size;
    int32_t code;  /* -errno, the same as the op returned */
    char msg[512]; /* one sentence: what was tried, then why; 'quotes' around names and paths */
};

struct hvp_kv {
    const char *key, *value;
};

enum { HVP_LOG_ERROR, HVP_LOG_WARN, HVP_LOG_INFO, HVP_LOG_DEBUG };

/* A descriptor the child gets: parent's number (stays the caller's) and the child's number. */
struct hvp_fd_map {
    int32_t parent_fd, child_fd;
};

/* A namespace the child joins before exec: an open /proc/PID/ns/... file and its CLONE_NEW* bit. */
struct hvp_ns {
    int32_t fd;
    uint32_t type;
};

struct hvp_rlimit {
    uint32_t resource, reserved; /* RLIMIT_* */
    uint64_t soft, hard;         /* UINT64_MAX = unlimited */
};

enum {
    HVP_SPAWN_SETUID = 1,    /* run as uid, gid, without supplementary groups */
    HVP_SPAWN_KEEP_CAPS = 2, /* reduce every capability set to keep_caps (bit = 1 << CAP_*) */
    HVP_SPAWN_NO_CGROUP = 4, /* a helper: stay in core's cgroup, not in the sandbox's */
};

/*
 * What host->spawn starts.  The child gets exactly the descriptors listed (0, 1 and 2 are /dev/null
 * where the map does not name them), default signal dispositions, an empty signal mask and a
 * session of its own.
 */
struct hvp_spawn {
    uint32_t struct_size, flags; /* HVP_SPAWN_* */
    const char *const *argv;     /* NULL-terminated; argv[0] is an absolute path */
    const char *const *envp;     /* NULL-terminated; NULL = PATH only */
    const char *cwd;             /* NULL = "/" */
    const struct hvp_fd_map *fds;
    size_t n_fds;
    const struct hvp_ns *namespaces; /* joined in this order */
    size_t n_namespaces;
    const char *const *cgroups; /* cgroup directories to enter; NULL = those of the sandbox */
    size_t n_cgroups;
    const struct hvp_rlimit *rlimits;
    size_t n_rlimits;
    uint64_t keep_caps;
    uint32_t uid, gid;
    int32_t death_signal; /* what the child gets when core dies; 0 = it survives */
    uint32_t reserved;
};

/*
 * Services of the core, valid from load() to unload(), callable from any thread.  One table per
 * instance, that is per descriptor.
 */
struct hvp_host {
    uint32_t struct_size, abi;
    void *cookie;          /* first argument of every service */
    const char *instance;  /* name of the descriptor: "kvm-s390x" */
    const char *arch;      /* guest architecture asked for, as uname -m: "x86_64", "s390x" */
    const char *version;   /* of the core, for logs */
    const char *cache_dir; /* private existing directory for results of slow probes; NULL = none */
    const char
        *guest_dir; /* kernel, initramfs and manifest of arch, for a test boot; NULL = none */
    /*
     * Readable (level-triggered) when the running op shall be given up: put it into every poll,
     * never read from it or close it, return -ECANCELED.  -1 = there is none.
     */
    int32_t cancel_fd;
    uint32_t reserved;
    void (*log)(void *cookie, int level, const char *msg); /* one line, no newline */
    int (*cancelled)(void *cookie);                        /* 1: return -ECANCELED soon */
    /*
     * Start a program; the only way a plug-in makes a process (never fork, posix_spawn, system).
     * Returns after a successful exec, or with exec's errno.  *pid is a child of the calling
     * process that only the plug-in reaps: poll *pidfd (CLOEXEC, the plug-in closes it), then
     * waitid(P_PIDFD).  May be NULL (in tests): then return -ENOSYS.
     */
    int (*spawn)(void *cookie, const struct hvp_spawn *what, int32_t *pid, int *pidfd,
                 struct hvp_error *err);
};

/* Concurrency the plug-in can stand.  The core enforces it; zero is the safest. */
enum {
    HVP_THREADS_SERIAL,   /* one op at a time in the whole .so, over all instances and VMs */
    HVP_THREADS_PER_VM,   /* one op at a time on each VM; ops of instances one at a time */
    HVP_THREADS_PARALLEL, /* anything at any time, except vm_close and unload beside other ops */
};

/* What this host can do now (filled by probe).  A set bit obliges what is named beside it. */
#define HVP_CAP_VMM_CHILD (UINT64_C(1) << 0)      /* VMM started by host->spawn, dies with core */
#define HVP_CAP_VMM_EXTERNAL (UINT64_C(1) << 1)   /* VM lives elsewhere, survives core: vm_list */
#define HVP_CAP_PAUSE (UINT64_C(1) << 2)          /* vm_pause, vm_resume */
#define HVP_CAP_SHARE_9P (UINT64_C(1) << 3)       /* hvp_share with HVP_FS_9P */
#define HVP_CAP_SHARE_VIRTIOFS (UINT64_C(1) << 4) /* hvp_share with HVP_FS_VIRTIOFS */
#define HVP_CAP_VSOCK (UINT64_C(1) << 5)          /* struct hvp_vsock */
#define HVP_CAP_NIC_FD (UINT64_C(1) << 6)         /* hvp_nic with tap_fds */
#define HVP_CAP_NIC_HOSTIF (UINT64_C(1) << 7)     /* plug-in makes the host interface: nic_hostif */
#define HVP_CAP_MULTI_CHAN (UINT64_C(1) << 8)     /* ports 1 .. max_channels-1 (else port 0 only) */
#define HVP_CAP_STATS (UINT64_C(1) << 9)          /* vm_stats */
#define HVP_CAP_SNAPSHOT (UINT64_C(1) << 10)      /* vm_save, vm_restore; and HVP_CAP_PAUSE */
#define HVP_CAP_TEMPLATE (UINT64_C(1) << 11)      /* SNAPSHOT, template_key, and many concurrent */
                                                  /* restores of one saved directory */
#define HVP_CAP_STOP (UINT64_C(1) << 12)          /* vm_stop */
#define HVP_CAP_CONSOLE (UINT64_C(1) << 13)       /* console_open */
#define HVP_CAP_CONSOLE_LOG (UINT64_C(1) << 14)   /* vm_spec.console_log is written */
#define HVP_CAP_SET_VCPUS (UINT64_C(1) << 15)     /* vm_set_vcpus, vm_spec.vcpus_max */
#define HVP_CAP_SET_MEMORY (UINT64_C(1) << 16)    /* vm_set_memory, vm_spec.memory_max */
#define HVP_CAP_DEVICE_ADDR (UINT64_C(1) << 17)   /* device_addr */
#define HVP_CAP_PIDS (UINT64_C(1) << 18)          /* vm_pids */

enum { HVP_DEV_DISK = 1, HVP_DEV_SHARE, HVP_DEV_NIC, HVP_DEV_VSOCK };
enum { HVP_PROTO_FILE = 1, HVP_PROTO_BLOCK, HVP_PROTO_NBD, HVP_PROTO_ISCSI, HVP_PROTO_RBD };
enum { HVP_FORMAT_RAW = 1, HVP_FORMAT_QCOW2, HVP_FORMAT_VMDK, HVP_FORMAT_VHDX };
enum { HVP_FS_9P = 1, HVP_FS_VIRTIOFS };
enum { HVP_CACHE_DEFAULT, HVP_CACHE_NONE, HVP_CACHE_WRITEBACK, HVP_CACHE_UNSAFE };

struct hvp_caps {
    uint32_t struct_size;
    uint32_t max_vcpus;      /* of one VM; 0 = unknown */
    uint64_t flags;          /* HVP_CAP_*; exactly one of VMM_CHILD and VMM_EXTERNAL */
    uint64_t max_memory;     /* bytes of one VM; 0 = unknown */
    uint32_t coldplug;       /* mask of HVP_DEV_*: in vm_spec.devices */
    uint32_t hotplug;        /* mask of HVP_DEV_*: device_attach while the VM runs */
    uint32_t unplug;         /* mask of HVP_DEV_*: device_detach while the VM runs */
    uint32_t update;         /* mask of HVP_DEV_*: device_update */
    uint32_t disk_protocols; /* mask of HVP_PROTO_*; not 0 where disks can be plugged */
    uint32_t disk_formats;   /* mask of HVP_FORMAT_* */
    uint32_t max_channels;   /* at least 1 */
    uint32_t reserved;
    char hypervisor[32]; /* "qemu", "xen" */
    char version[32];    /* of the hypervisor, human-readable */
    char arch[16];       /* of the guests, as uname -m; equals host->arch */
    char machine[48];    /* board the guests get: "q35", "s390-ccw-virtio", "pvh" */
    char accel[16];      /* "kvm", "tcg", "xen": what really runs the guest's instructions */
    char build_id[80];   /* changes when the VMM binary does; part of template_key; may be "" */
    char note[256];      /* a sentence for `check` (why this accel, what is slow); may be "" */
};

/* Frozen head of every device.  A device's tag is unique in its VM. */
enum { HVP_F_READONLY = 1, HVP_F_LINK_DOWN = 2, HVP_F_SHARED = 4 };
struct hvp_device {
    uint32_t struct_size, kind; /* HVP_DEV_*; struct_size is that of the whole kind struct */
    uint32_t flags, reserved;   /* HVP_F_* */
    const char *tag;            /* 1 .. HVP_TAG_MAX bytes of [A-Za-z0-9._-] */
};

/* The guest finds the disk by its serial number, the tag, or by device_addr. */
struct hvp_disk {
    struct hvp_device d;
    uint32_t protocol, format; /* HVP_PROTO_*, HVP_FORMAT_* */
    uint32_t cache, discard;   /* HVP_CACHE_*; discard 1 = pass the guest's trims on */
    uint64_t size;    /* bytes; 0 = as it is (device_update: tell the guest the new size) */
    const char *path; /* FILE, BLOCK: absolute path; others: "" */
    const struct hvp_kv *options; /* others: host, port, socket, export; portal, target, lun; */
    size_t n_options;             /*         pool, image, user, conf.  Unknown key = -EINVAL */
    const char *secret_file;      /* file with the password or key, never its value; NULL = none */
};

/* A directory of the host.  tag is the guest's mount tag. */
struct hvp_share {
    struct hvp_device d;
    const char *dir;              /* absolute */
    const struct hvp_kv *options; /* plug-in specific tuning; unknown key = -EINVAL */
    size_t n_options;
    uint32_t fs, reserved; /* HVP_FS_* */
};

/* Exactly one of tap_fds (HVP_CAP_NIC_FD) and a host interface (HVP_CAP_NIC_HOSTIF) is in use. */
struct hvp_nic {
    struct hvp_device d;  /* HVP_F_LINK_DOWN: the guest sees no carrier */
    const int *tap_fds;   /* core's, already attached (IFF_VNET_HDR): dup or hand to the VMM */
    const char *ifname;   /* HOSTIF: wanted name on the host; NULL = plug-in's choice */
    uint32_t queues, mtu; /* number of tap_fds, at least 1; MTU in bytes, 0 = default */
    uint8_t mac[6], zero[2];
};

struct hvp_vsock {
    struct hvp_device d;
    uint32_t cid, reserved; /* 0 = plug-in picks */
};

struct hvp_vm_spec {
    uint32_t struct_size, flags; /* flags: none yet, 0 */
    const char *id;            /* [A-Za-z0-9_+.-]{1,128}, unique on this host; VM's visible name */
    const char *uuid;          /* 8-4-4-4-12 lower-case hex digits */
    uint32_t vcpus, vcpus_max; /* max = vcpus where vm_set_vcpus is not wanted */
    uint64_t memory, memory_max; /* bytes, multiples of 1 MiB; max = memory likewise */
    const char *machine;         /* "" = plug-in's choice; else a machine of this hypervisor */
    const char *cpu_model;       /* "" = plug-in's choice */
    const char *kernel, *initrd; /* absolute; initrd "" = none */
    const char *cmdline;         /* core's words; the plug-in appends what its machine needs */
    const char *run_dir;     /* existing, 0700, of this VM only, core removes it: sockets, files */
    const char *console_log; /* absolute; append the guest's console output; "" = none */
    const struct hvp_device *const
        *devices; /* pointers: an array of growing structs has no stride */
    size_t n_devices;
    const struct hvp_kv *options; /* plug-in specific, from the policy; unknown key = -EINVAL */
    size_t n_options;
    const struct hvp_kv *metadata; /* for humans and tools: pod name, class; never interpreted */
    size_t n_metadata;
    uint32_t n_channels, reserved; /* ports 0 .. n_channels-1; at least 1 */
};

/*
 * CREATED and PAUSED execute nothing.  STOPPED: the guest powered off or reset.  CRASHED: the guest
 * panicked or the VMM died.  A guest's reset never reboots the VM, it stops it.
 */
enum { HVP_VM_CREATED = 1, HVP_VM_RUNNING, HVP_VM_PAUSED, HVP_VM_STOPPED, HVP_VM_CRASHED };

enum {
    HVP_EVENT_POWEROFF = 1, /* the guest powered off */
    HVP_EVENT_RESET,        /* the guest asked for a reboot; the VM is stopped */
    HVP_EVENT_PANIC,        /* the guest's kernel panicked */
    HVP_EVENT_VMM_CRASH,    /* the VMM ended by itself; status is its wait status */
    HVP_EVENT_KILLED,       /* somebody else killed the VMM or destroyed the VM */
};

struct hvp_event {
    uint32_t struct_size, kind; /* HVP_EVENT_*; core ignores kinds it does not know */
    int32_t status;             /* wait status of the VMM, -1 = none or unknown */
    uint32_t reserved;
    char msg[256]; /* a sentence for the operator */
};

enum { HVP_STAT_CPU = 1, HVP_STAT_MEM = 2 };
struct hvp_stats {
    uint32_t struct_size, reserved;
    uint64_t valid;             /* HVP_STAT_* bits; unknown is not zero */
    uint64_t cpu_ns;            /* CPU: host CPU time of VMM and vCPUs since start */
    uint64_t mem_used, mem_max; /* MEM: bytes resident on the host; bytes the guest may use now */
};

/* One found VM, see vm_list. */
struct hvp_vm_info {
    uint32_t struct_size, state; /* HVP_VM_* */
    const char *id, *uuid;       /* vm_spec's; uuid "" = unknown */
    const char *ref;             /* for vm_reopen */
};

/*
 * The plug-in.  Ops return 0 or -errno; on failure *err is filled and out-parameters are untouched.
 * [M] is mandatory; elsewhere NULL means unsupported and what the op belongs to in caps is clear.
 * Every op that can wait has timeout_ms and returns -ETIMEDOUT when it passes, -ECANCELED when the
 * host's cancel_fd is readable; the VM is then in a state that vm_destroy can deal with.  Ops
 * without timeout_ms return at once.  Order: load, config for each key, probe, any vm op, vm_close
 * for each handle, unload.  vm_list, vm_reopen and on its handle vm_state, vm_destroy and vm_close
 * may come without a successful probe: cleaning up must not depend on it.  Core calls ops from any
 * thread, but never two at a time where the thread model forbids it; never from a signal handler,
 * in a process forked after load, or inside host->log.
 */
struct hvp_plugin {
    uint32_t struct_size, abi;         /* HVP_PLUGIN_HEAD */
    const char *name, *version, *help; /* help: a "key  meaning" line per config key; may be "" */
    uint32_t thread_model, reserved;   /* HVP_THREADS_* */

    /* [M] Make an instance; touch nothing outside the process.  host stays valid until unload. */
    int (*load)(const struct hvp_host *host, void **inst, struct hvp_error *err);
    /* One key of the descriptor.  Unknown key or bad value: -EINVAL and a sentence naming it.
     * NULL: the plug-in has no keys. */
    int (*config)(void *inst, const char *key, const char *value, struct hvp_error *err);
    /* [M] Can this host run VMs now?  Open the real device, not access().  Failure is the answer
     * "no" and its sentence is shown to the operator (-ENODEV, -ENOENT, -EACCES ...).  May be
     * called again; caps->struct_size is core's, the rest zero. */
    int (*probe)(void *inst, struct hvp_caps *caps, uint32_t timeout_ms, struct hvp_error *err);
    /* [M] Free the instance.  Every handle is closed; VMs of an external VMM may still run. */
    void (*unload)(void *inst);

    /* [M] Build the VM with all its devices, paused: no guest instruction has run.  On failure
     * nothing is left behind. */
    int (*vm_create)(void *inst, const struct hvp_vm_spec *spec, uint32_t timeout_ms, void **vm,
                     struct hvp_error *err);
    /* [M] CREATED -> RUNNING. */
    int (*vm_start)(void *vm, uint32_t timeout_ms, struct hvp_error *err);
    /* [M] Kill the VM and free every host resource of it; returns when the VMM is gone and holds no
     * file any more.  0 also when it was gone already.  The handle stays open. */
    int (*vm_destroy)(void *vm, uint32_t timeout_ms, struct hvp_error *err);
    /* [M] *state is one of HVP_VM_*. */
    int (*vm_state)(void *vm, uint32_t *state, struct hvp_error *err);
    /* [M] A printable line for the state file, from which vm_reopen finds the same VM and no other
     * (pid with start time, domain UUID).  len is at least HVP_REF_MAX.  Constant after create. */
    int (*vm_ref)(void *vm, char *buf, size_t len, struct hvp_error *err);
    /* [M] Handle to a VM made by another process or an earlier life.  -ENOENT: it is gone. */
    int (*vm_reopen)(void *inst, const char *ref, uint32_t timeout_ms, void **vm,
                     struct hvp_error *err);
    /* [M] Drop the handle and its descriptors; the VM lives on.  NULL is fine. */
    void (*vm_close)(void *vm);
    /* [M] Descriptor that polls readable while event_next has something; the plug-in's, the same
     * until vm_close.  Core polls it and never reads from it. */
    int (*event_fd)(void *vm, int *fd, struct hvp_error *err);
    /* [M] Take the oldest event; -EAGAIN: none.  ev->struct_size is core's, the rest zero.  What
     * vm_destroy causes itself is no event. */
    int (*event_next)(void *vm, struct hvp_event *ev, struct hvp_error *err);
    /* [M] Connected, CLOEXEC, blocking byte-stream descriptor of channel port; core owns it.  Ports
     * other than 0 need HVP_CAP_MULTI_CHAN.  Works between vm_create and the end of the VM, also
     * again after the first one was closed; core calls it after vm_start, since over vsock it is
     * the guest that connects.  A connection proves nothing about the guest. */
    int (*agent_open)(void *vm, uint32_t port, uint32_t timeout_ms, int *fd, struct hvp_error *err);

    /* HVP_CAP_STOP.  Ask the guest to power off (ACPI button), wait for it; -ETIMEDOUT: still up.
     * Core asks the agent first. */
    int (*vm_stop)(void *vm, uint32_t timeout_ms, struct hvp_error *err);
    /* HVP_CAP_PAUSE.  RUNNING -> PAUSED and back; nothing of the guest runs in between. */
    int (*vm_pause)(void *vm, uint32_t timeout_ms, struct hvp_error *err);
    int (*vm_resume)(void *vm, uint32_t timeout_ms, struct hvp_error *err);
    /* HVP_CAP_SET_VCPUS, HVP_CAP_SET_MEMORY.  Change a running VM within vm_spec's maxima; *reached
     * is what the guest has now, which may be less than wanted (0 is returned all the same). */
    int (*vm_set_vcpus)(void *vm, uint32_t vcpus, uint32_t timeout_ms, uint32_t *reached,
                        struct hvp_error *err);
    int (*vm_set_memory)(void *vm, uint64_t bytes, uint32_t timeout_ms, uint64_t *reached,
                         struct hvp_error *err);
    /* HVP_CAP_STATS.  st->struct_size is core's, the rest zero. */
    int (*vm_stats)(void *vm, uint32_t timeout_ms, struct hvp_stats *st, struct hvp_error *err);
    /* HVP_CAP_PIDS.  Host processes of the VM (VMM, file servers): the first cap of them into pids,
     * their true number into *n. */
    int (*vm_pids)(void *vm, int32_t *pids, size_t cap, size_t *n, struct hvp_error *err);
    /* HVP_CAP_VMM_EXTERNAL.  Call each(ctx, info) for every VM this plug-in ever made on this host
     * that still exists, with or without state file; never for others' VMs.  each returns 0, or
     * a value that ends the walk and is returned. */
    int (*vm_list)(void *inst, int (*each)(void *ctx, const struct hvp_vm_info *info), void *ctx,
                   uint32_t timeout_ms, struct hvp_error *err);
    /* HVP_CAP_CONSOLE.  Connected two-way stream to the guest's console; core owns it. */
    int (*console_open)(void *vm, uint32_t timeout_ms, int *fd, struct hvp_error *err);

    /* caps.hotplug, .unplug, .update.  Attach returns when the guest may see the device; detach
     * when host resources are free (-EBUSY: the guest does not let go); update changes what may
     * change on a living device: link state of a NIC, size of a disk. */
    int (*device_attach)(void *vm, const struct hvp_device *dev, uint32_t timeout_ms,
                         struct hvp_error *err);
    int (*device_detach)(void *vm, const char *tag, uint32_t timeout_ms, struct hvp_error *err);
    int (*device_update)(void *vm, const struct hvp_device *dev, uint32_t timeout_ms,
                         struct hvp_error *err);
    /* HVP_CAP_DEVICE_ADDR.  Where the guest finds a device: "pci:0000:00:03.0", "ccw:0.0.0001",
     * "xvd:xvda", "vif:0".  For a share "tag:NAME", which the guest mounts, or "dir:/PATH" where
     * the directory is at /PATH in the guest and nothing is to be mounted.  len is at least
     * HVP_ADDR_MAX; a longer address is -ENAMETOOLONG. */
    int (*device_addr)(void *vm, const char *tag, char *buf, size_t len, struct hvp_error *err);
    /* HVP_CAP_NIC_HOSTIF.  Name of the host interface behind a NIC, in core's network namespace;
     * core moves it where it belongs. */
    int (*nic_hostif)(void *vm, const char *tag, char *buf, size_t len, struct hvp_error *err);

    /* HVP_CAP_SNAPSHOT.  Save a PAUSED VM, which stays PAUSED, into the existing empty directory
     * dir; restore like vm_create, the result is PAUSED.  flags: none yet, 0. */
    int (*vm_save)(void *vm, const char *dir, uint32_t flags, uint32_t timeout_ms,
                   struct hvp_error *err);
    int (*vm_restore)(void *inst, const struct hvp_vm_spec *spec, const char *dir, uint32_t flags,
                      uint32_t timeout_ms, void **vm, struct hvp_error *err);
    /* HVP_CAP_TEMPLATE.  Printable line; what was saved under one key can be restored under an
     * equal key only (VMM build, machine, CPU, memory layout).  len is at least HVP_REF_MAX. */
    int (*template_key)(void *inst, const struct hvp_vm_spec *spec, char *buf, size_t len,
                        struct hvp_error *err);
};

#define HVP_PLUGIN_HEAD .struct_size = sizeof(struct hvp_plugin), .abi = HVP_ABI
#define HVP_EXPORT __attribute__((visibility("default")))
typedef const struct hvp_plugin *hvp_entry(void);
HVP_EXPORT const struct hvp_plugin *hvp_plugin_v1(void); /* the only exported symbol */

/* Convenience: fill *err and return -code.  code is a positive errno. */
__attribute__((format(printf, 3, 4))) static inline int hvp_fail(struct hvp_error *err, int code,
                                                                 const char *format, ...)
{
    va_list ap;

    err->code = -code;
    va_start(ap, format);
    vsnprintf(err->msg, sizeof(err->msg), format, ap);
    va_end(ap);
    return -code;
}

#ifdef __cplusplus
}
#endif
#endif
