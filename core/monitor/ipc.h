/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ipc.h - what a CLI verb and a proxy may say to a sandbox's monitor, and the answers.
 * The only thing that cli, proxy and monitor share. Unix stream socket, proto/frame.h's frames and
 * proto/wire.h's fields; descriptors travel with the first byte of the frame they belong to.
 *
 * A CLI connects to SANDBOX_DIR/monitor.sock (the creating CLI has the monitor's first connection
 * as an inherited socketpair), sends requests, and gets one IPC_REPLY with the same seq for each.
 * Requests on one connection may be pipelined. A connection that made a container and closes before
 * IPC_COMMIT takes the container (and a sandbox without other containers) with it.
 */
#ifndef MONITOR_IPC_H
#define MONITOR_IPC_H
#include <stdint.h>
#include "base/err.h"
#include "base/proc.h"
#include "base/str.h"
#include "proto/frame.h"
#include "proto/message.h"

#define IPC_SOCKET "monitor.sock" /* in the sandbox's state directory */
#define IPC_FIRST_FD 3            /* of a new monitor and of a proxy: its connection */
#define IPC_CREATE_FDS 5          /* of IPC_CREATE, before its mounts */
#define IPC_MOUNTS_MAX 199        /* mount descriptors of one IPC_CREATE */
#define IPC_NICS_MAX 16           /* NICs of one request */
#define IPC_NIC_QUEUES_MAX 8      /* descriptors of each */
#define IPC_DISKS_MAX 20          /* disks of one request */
#define IPC_DISK_FDS_MAX 48       /* descriptors for them: all together fit FD_PASS_MAX */

enum ipc_type {
    IPC_REPLY = 128, /* struct ipc_reply */
    /* CLI -> monitor */
    IPC_SANDBOX, /* struct ipc_sandbox; once, first. Replies when the agent has answered SETUP; fds:
                  * taps of nics[], those of disks[]; reply.body = struct ipc_hostifs, which is
                  * there where the back-end makes its own interfaces and has no use for the taps */
    IPC_CREATE,  /* struct ipc_create; fds: proxy socket, stdin, stdout, stderr, the container's
                  * state directory (the monitor's own mounts do not show that of a pod's
                  * member), then one detached mount (open_tree) for each of mounts[], then those
                  * of disks[] */
    IPC_COMMIT,  /* struct ipc_target with proxy: create is complete, state is written */
    IPC_START,   /* struct ipc_target */
    IPC_EXEC,    /* struct ipc_exec; fds: proxy socket, stdin, stdout, stderr */
    IPC_KILL,    /* struct ipc_target with signo, all */
    IPC_PAUSE,   /* struct ipc_target */
    IPC_RESUME,  /* struct ipc_target */
    IPC_UPDATE,  /* struct ipc_target with cgroup */
    IPC_STATS,   /* struct ipc_target; reply.body = struct msg_stats */
    IPC_PS,      /* struct ipc_target; reply.body = struct msg_ps, proc_id = host pid or 0 */
    IPC_DELETE,  /* struct ipc_target: forget a stopped container (all: kill it first). The last
                  * one and the sandbox's own end VM and monitor: the reply comes when the VMM is
                  * gone and the container's files are free */
    IPC_EVENTS,  /* struct ipc_target: IPC_EVENT frames follow until either side closes */
    IPC_TIMINGS, /* reply.body = fields of struct ipc_timings */
    IPC_EVENT,   /* monitor -> CLI: struct ipc_event */
    IPC_END, /* monitor -> CLI, once, before the proxies hear of it: struct ipc_reply: the sandbox
              * ends; code 0 = in order, else why VM or agent are gone */
    /* proxy <-> monitor */
    IPC_PROXY_SIGNAL, /* proxy: struct msg_signal: forward to my guest process */
    IPC_PROXY_RESIZE, /* proxy: struct msg_resize */
    IPC_PROXY_VMM,    /* monitor: fds: pidfd of the VMM (none for an external VMM) */
    IPC_PROXY_EXIT,   /* monitor: struct msg_exited; the proxy exits with it */
    /* CLI -> monitor, since later */
    IPC_NETWORK, /* struct ipc_network; fds: taps of the new nics[]. Replies when the step is done;
                  * ENOSYS: the back-end has no NICs; reply.body of PLUG = struct ipc_hostifs */
    /* CLI -> monitor */
    IPC_CONSOLE, /* fd: a socket, over which the console's descriptor comes before the reply */
    IPC_HOLD,    /* fd: anything, for who takes the VM, which is empty. It is paused until IPC_TAKE;
                  * the connection may close then */
    IPC_TAKE,    /* struct ipc_take; fd: a socket, over which IPC_HOLD's descriptor comes first.
                  * Replies when the guest knows who it is from now on, as to IPC_SANDBOX */
    IPC_FORWARD, /* fds: those of net_forward_open: what connects there is the guest's; once */
    IPC_RESOLVER, /* fd: a UDP socket connected to a name server, which the guest shall reach */
    IPC_MEMORY, /* struct ipc_memory: let the VM have at least so much; reply.body = the same, with
                 * what it has then */
    IPC_VCPUS,  /* struct ipc_vcpus: likewise */
};

struct ipc_reply {
    int32_t code;   /* 0 or positive errno */
    uint32_t phase; /* enum err_phase */
    char *text;     /* the sentence; guest's last console lines included if it is a
                     * boot that failed */
    uint8_t *body;
    size_t body_len;
};

/*
 * A disk of the VM. Its files of the host travel as detached mounts: path, secret_file, then
 * files[] in their order, as far as they are there; the monitor shows them to the plug-in, which
 * then gets the places where it did. Their attributes (nosuid, noexec, read-only) are set: the
 * monitor has no right to.
 */
struct ipc_disk {
    char *tag;                                 /* serial number, at most HVP_TAG_MAX bytes */
    uint32_t protocol, format, cache, discard; /* of hvp.h */
    uint32_t flags;                            /* HVP_F_READONLY, HVP_F_SHARED */
    char *path;                                /* FILE, BLOCK: on the host, for messages */
    char *secret_file;                         /* NULL = none */
    struct kvs options;                        /* of hvp_disk */
    /* Options whose values are paths of the host. Of "DIR//NAME" DIR travels: a server that is
     * started anew makes another socket of that name. */
    struct kvs files;
    char *source; /* of a network volume, for messages: URI; NULL = none */
};
size_t ipc_disk_fds(const struct ipc_disk *d);

/* A NIC of the VM, on a tap that the CLI has made. The guest gives it the MAC that it shall have.
 */
enum { IPC_NIC_NEW = 1, IPC_NIC_DOWN = 2 }; /* NEW: plug it; DOWN: it carries nothing */
struct ipc_nic {
    char *tag;
    uint8_t mac[6];
    uint32_t flags, queues; /* queues: of a new one, as many descriptors */
};
size_t ipc_nic_fds(const struct ipc_nic *nics, size_t n);

/*
 * CLONE: the VM comes from what is saved in template_dir, and the guest is told who it is as after
 * a boot. BUILD: the VM is saved there once its agent has reported, then the monitor ends; the
 * reply's body is the plug-in's key. There are no containers.
 */
enum ipc_template_use { IPC_TEMPLATE_NONE, IPC_TEMPLATE_CLONE, IPC_TEMPLATE_BUILD };

struct ipc_sandbox {
    char *id; /* OCI id of the sandbox's first container: the VM's name */
    char *uuid;
    char *state_dir;  /* of the sandbox: monitor.sock, vm, console.log, monitor.log */
    char *run_dir;    /* short private directory for the plug-in (HVP_RUN_DIR_MAX) */
    char *cache_dir;  /* NULL = none */
    char *descriptor; /* name of the chosen back-end's descriptor */
    char *descriptor_file, *library; /* both absolute; checked again by the monitor */
    char *arch;
    struct kvs config;          /* the descriptor's key/value pairs */
    struct strv config_places;  /* "LINE:COLUMN" of each */
    struct strv modules, paths; /* the descriptor's */
    char *guest_dir;            /* assets of that architecture */
    char *kernel, *initrd, *cmdline;
    char *machine, *cpu_model; /* "" = the plug-in's choice */
    uint32_t vcpus, vcpus_max;
    uint64_t memory, memory_max;  /* bytes */
    struct kvs options, metadata; /* of hvp_vm_spec */
    char *share_options;          /* 9p mount options for the agent, without trans= */
    uint32_t boot_timeout_ms;
    uint32_t log_level;
    struct strv cgroups;      /* directories that monitor and VMM live in; empty = stay */
    struct strv late_modules; /* guest module groups to load at SETUP */
    uint32_t pod;             /* the container `id` is a pod's sandbox: its exit ends the VM */
    char *share_model;        /* 9p security model; "" or NULL = the back-end's own */
    char *host_mounts; /* directory of the host for share and disks of a VMM that does not see the
                        * monitor's mounts; "" or NULL = they are in the private root */
    struct ipc_disk *disks; /* there from the start */
    size_t n_disks;
    struct ipc_nic *nics; /* likewise, without carrier */
    size_t n_nics;
    uint32_t template_use; /* enum ipc_template_use */
    char *template_dir;    /* absolute; NULL = none */
    char *template_key;    /* CLONE: the plug-in's key of what is saved there */
    uint32_t keep; /* the VM outlives its containers, but not this connection: for IPC_HOLD */
    uint32_t own_network; /* the network namespace of the taps ends with the containers */
};

/* One mount that the host puts into the share before the guest sees the plan; its attributes are
 * set. */
struct ipc_mount {
    char *name; /* below the share: "ID", ":1122334455667788R/etc" */
    uint32_t is_file;
};

struct ipc_create {
    char *id;      /* OCI id */
    uint8_t *plan; /* plan_container_put */
    size_t plan_len;
    struct proc_id proxy; /* as the host sees it; 0 = IPC_COMMIT will say */
    uint32_t terminal;    /* fds stdin, stdout, stderr are one pty slave */
    struct ipc_mount *mounts;
    size_t n_mounts;
    struct ipc_disk *disks; /* plugged into the running VM, unplugged with the container */
    size_t n_disks;
};

struct ipc_exec {
    char *id;
    uint8_t *process; /* plan_process_put */
    size_t process_len;
    struct proc_id proxy;
    uint32_t terminal;
};

struct ipc_target {
    char *id;
    uint32_t signo, all;
    uint8_t *cgroup; /* plan_cgroup_put */
    size_t cgroup_len;
    struct proc_id proxy;
};

/* PLUG comes first where nics[] has new ones, and has only these; then the guest makes its
 * interfaces; then, once all is made, they get their carriers. */
enum ipc_network_step { IPC_NETWORK_GUEST, IPC_NETWORK_CARRIERS, IPC_NETWORK_PLUG };
struct ipc_network {
    char *id;         /* of the container that asks */
    uint8_t *network; /* GUEST: msg_network_put */
    size_t network_len;
    uint32_t step;
    struct ipc_nic *nics; /* all of the VM, but for PLUG */
    size_t n_nics;
};

/* Where the VMM has its own interfaces on the host: tag of the NIC, name of the interface. */
struct ipc_hostifs {
    struct kvs v;
};

/* What a VM that was held gets of a new one's struct ipc_sandbox. */
struct ipc_take {
    char *id;
    uint32_t pod, log_level, boot_timeout_ms, own_network;
    struct kvs metadata;
};

/* Bytes of the whole VM. */
struct ipc_memory {
    uint64_t bytes;
};

/* In the reply those that the guest uses. */
struct ipc_vcpus {
    uint32_t vcpus;
};

enum ipc_event_kind { IPC_EV_OOM = 1, IPC_EV_EXIT };
struct ipc_event {
    uint32_t kind;
    int32_t status; /* of IPC_EV_EXIT as msg_exited */
};

/* Phases of a start, monotonic ns of the host; 0 = not reached. */
struct ipc_timings {
    uint64_t begin, plugin_loaded, vm_created, vm_started, hello, setup, created, started, exited;
    uint64_t create_asked; /* only by a container that came to a VM that was ready */
    uint64_t start_asked;
};

void ipc_reply_put(struct wbuf *w, const struct ipc_reply *m);
int ipc_reply_get(struct wire body, struct ipc_reply *ret);
void ipc_reply_done(struct ipc_reply *m);
void ipc_sandbox_put(struct wbuf *w, const struct ipc_sandbox *m);
int ipc_sandbox_get(struct wire body, struct ipc_sandbox *ret);
void ipc_sandbox_done(struct ipc_sandbox *m);
void ipc_create_put(struct wbuf *w, const struct ipc_create *m);
int ipc_create_get(struct wire body, struct ipc_create *ret);
void ipc_create_done(struct ipc_create *m);
void ipc_exec_put(struct wbuf *w, const struct ipc_exec *m);
int ipc_exec_get(struct wire body, struct ipc_exec *ret);
void ipc_exec_done(struct ipc_exec *m);
void ipc_network_put(struct wbuf *w, const struct ipc_network *m);
int ipc_network_get(struct wire body, struct ipc_network *ret);
void ipc_network_done(struct ipc_network *m);
void ipc_hostifs_put(struct wbuf *w, const struct ipc_hostifs *m);
int ipc_hostifs_get(struct wire body, struct ipc_hostifs *ret);
void ipc_hostifs_done(struct ipc_hostifs *m);
void ipc_target_put(struct wbuf *w, const struct ipc_target *m);
int ipc_target_get(struct wire body, struct ipc_target *ret);
void ipc_target_done(struct ipc_target *m);
void ipc_take_put(struct wbuf *w, const struct ipc_take *m);
int ipc_take_get(struct wire body, struct ipc_take *ret);
void ipc_take_done(struct ipc_take *m);
void ipc_memory_put(struct wbuf *w, const struct ipc_memory *m);
int ipc_memory_get(struct wire body, struct ipc_memory *ret);
void ipc_vcpus_put(struct wbuf *w, const struct ipc_vcpus *m);
int ipc_vcpus_get(struct wire body, struct ipc_vcpus *ret);
void ipc_event_put(struct wbuf *w, const struct ipc_event *m);
int ipc_event_get(struct wire body, struct ipc_event *ret);
void ipc_timings_put(struct wbuf *w, const struct ipc_timings *m);
int ipc_timings_get(struct wire body, struct ipc_timings *ret);

/* Blocking client side, for cli and proxy. */

/* Connection to the monitor of a sandbox; -ECONNREFUSED, -ENOENT when there is none. */
int ipc_connect(const char *sandbox_dir, struct err *err);

/* Send one frame; fds are borrowed. */
int ipc_send(int sock, uint16_t type, uint32_t seq, const struct wbuf *body, const int *fds,
             size_t n_fds, struct err *err);

/*
 * Wait for the reply to seq (replies come in order of completion: others are dropped unless they
 * failed). A reply with a code becomes *err with its phase and text. *ret (may be NULL) is the
 * caller's to ipc_reply_done.  EOF is -EPIPE: the monitor has died.
 */
int ipc_wait(int sock, uint32_t seq, uint64_t deadline_ns, struct ipc_reply *ret, struct err *err);

/*
 * Why a sandbox has ended, from a connection that was open all the time: 1 and *err with the
 * reason, which is its monitor's own death where that said nothing; 0 when it ended in order or has
 * not ended.
 */
int ipc_last_words(int sock, struct err *err);

/* ipc_send and ipc_wait in one. */
int ipc_call(int sock, uint16_t type, const struct wbuf *body, uint64_t deadline_ns,
             struct ipc_reply *ret, struct err *err);

#endif
