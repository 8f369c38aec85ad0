/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor.h - the monitor's own structs and who owns what.
 * For core/monitor only. One struct monitor per process; it owns connections and containers, a
 * container owns its processes. Handlers mark what has ended as dead; the sweep after each round
 * of the loop frees it, so that no handler's caller holds a dangling pointer.
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/str.h"
#include "channel/channel.h"
#include "channel/queue.h"
#include "monitor/boot.h"
#include "monitor/ipc.h"
#include "monitor/worker.h"
#include "proto/message.h"
#include "state/state.h"

#define SHARE_DIR "/share" /* see share_path() */
#define SHARE_TAG "share"
#define CONSOLE_NAME "console.log" /* in the state directory */
#define END_WAITERS_MAX 32

struct monitor;
struct process;

/* Whom to answer: the connection may be gone by then. conn 0 = nobody. */
struct reply_to {
    uint64_t conn;
    uint32_t seq;
};

/* One connection of a CLI or of a proxy (conn.c). */
struct conn {
    struct conn *next;
    struct monitor *m;
    uint64_t number;
    struct loop_source source;
    uint8_t head[FRAME_HEAD_SIZE];
    uint8_t *body;
    size_t got; /* bytes of head and body so far */
    int fds[FD_PASS_MAX];
    size_t n_fds;
    struct queue out;
    struct process *proxy_of; /* of a proxy whose process is still known */
    bool is_proxy, dead;
    uint32_t events_of; /* guest id of the init process whose events it wants; 0 = none */
    uint32_t events_seq;
};

/* One stream of the guest on its way to a descriptor of the engine (stdio.c). */
enum stdio_mode { STDIO_CLOSED, STDIO_OWN, STDIO_SOCKET, STDIO_POLLED, STDIO_DIRECT };
struct stdio_end {
    struct process *p;
    unsigned stream;
    struct loop_source source;
    enum stdio_mode mode;
    size_t chunk;       /* POLLED: what may be written without blocking */
    struct queue queue; /* out: not yet written */
    uint32_t uncredited;
    uint64_t expected; /* bytes of a dead process that the guest has yet to send */
    bool guest_eof, gone, started;
};

/* One process of the guest and the proxy that stands for it (process.c). */
struct process {
    struct process *next;
    struct container *c;
    uint32_t id; /* in the protocol */
    bool init;
    bool no_wait;     /* its exit is not held back by a reader that has stopped reading */
    bool told_to_end; /* a signal that is meant so was sent to it */
    bool forwarded;   /* a connection (forward.c): its stdin and stdout are one socket */
    uint64_t proxy_conn;
    struct proc_id proxy;
    struct stdio_end io[3];
    bool open;     /* known to the channel */
    bool exited;   /* status is valid */
    bool finished; /* the proxy has been told */
    bool dead;
    int32_t status;
    struct msg_resize size;
    struct loop_timer grace; /* for its readers or the guest, after its exit */
};

/* One container (container.c, container_end.c). */
struct container {
    struct container *next;
    struct monitor *m;
    char *id;
    int state_fd;
    enum state_status status;
    struct process *processes; /* the first one is init */
    struct strv mounts;        /* names below the share, in the order of mounting */
    uint8_t *plan;             /* until CREATE is sent */
    size_t plan_len;
    uint64_t creator;       /* connection that undoes it by closing; 0 = committed */
    struct ipc_disk *disks; /* those that are plugged for it alone */
    size_t n_disks, n_plugged;
    bool plugging; /* the worker is at its disks: it must stay */
    bool sent;     /* CREATE is with the agent */
    bool nfs;      /* the guest mounts volumes for it before START */
    bool told;     /* the guest has said that init has ended: what it wrote to the share is there */
    bool deleting, dead, oom;
    bool agent_silent; /* it has not yet said that it took the SIGKILL */
    uint64_t kill_deadline;
    struct reply_to reply_create, reply_delete;
    struct loop_timer timer; /* kill and left-over execs */
};

enum monitor_phase { MON_NEW, MON_BOOT, MON_HELLO, MON_SETUP, MON_READY, MON_HELD, MON_ENDING };

/* A VM that waits for a container (hold.c). */
struct hold {
    struct reply_to to; /* of IPC_HOLD */
    int fd;             /* what came with it */
    struct job job;     /* pause or resume */
    struct err err;
};

/* Connections to the pod's loopback on the host (forward.c). */
struct forward {
    struct loop_source listener;
    int link; /* without it nothing comes to the listener */
    unsigned n;
};

/* The guest's clock (clock.c). */
struct clock {
    struct loop_source timer;
    uint64_t asked; /* when, in ns since 1970 */
    bool waiting;   /* for the answer */
};

struct monitor {
    struct loop loop;
    struct worker worker;
    struct conn *conns;
    uint64_t next_conn;
    struct loop_source listener, signals, vm_events;
    enum monitor_phase phase;
    struct ipc_sandbox spec;
    struct assets assets; /* of spec */
    struct reply_to reply_sandbox;
    int state_fd, log_fd, share_fd; /* share_fd: the share's writable view */
    int cancel_fd;                  /* the plug-in's op shall give up */
    int *tap_fds;                   /* until the boot has them */
    size_t n_taps;
    struct boot boot;
    struct hold hold;
    struct forward forward;
    struct clock clock;
    struct loop_source resolver; /* to the name server of the namespace (resolver.c) */
    uint64_t owner;              /* the connection without which there will be no container */
    struct job event_job, end_job, save_job;
    struct err save_err;
    struct hvp_event event;
    int has_event;
    struct channel *channel;
    struct loop_source channel_source;
    bool channel_lost;
    struct err channel_err;
    struct err
        lost; /* why VM or agent are gone, code 0 = they are not: for who waits for replies */
    bool event_asked; /* event_job is with the worker; a lost channel waits for its word */
    struct loop_timer deadline; /* of HELLO, SETUP, POWEROFF */
    struct loop_timer drain;    /* last words to stalled readers */
    struct container *containers;
    uint32_t next_id;
    struct ipc_timings timings;
    int vmm_pidfds[BOOT_PIDS_MAX];
    size_t n_vmm_pidfds;
    int oom_score;   /* what children get back */
    int *cgroup_fds; /* cgroup.procs of spec.cgroups, until the VM is there */
    size_t n_cgroup_fds;
    bool stdin_stalled, vm_gone, failed;
    /* A container has had disks, volumes of servers, or no pid namespace that ends with its init:
     * the guest may have something left to write. */
    bool late_writes;
    bool vm_destroyed; /* by the plug-in's word: nobody need look for it any more */
    struct err end_err;
    bool end_told;
    struct reply_to end_waiters[END_WAITERS_MAX];
    size_t n_end_waiters;
    struct loop_source console; /* tells that console.log grows */
    int console_watch;
    enum { NO_NETWORK_UNKNOWN, NO_NETWORK_TOLD, NO_NETWORK_DONE } no_network; /* network.c */
    struct loop_timer console_pause;
};

/* conn.c */
struct conn *conn_add(struct monitor *m, int fd, struct process *proxy_of);
struct conn *conn_find(struct monitor *m, uint64_t number);
void conn_close(struct conn *c);
void conn_send(struct conn *c, uint16_t type, uint32_t seq, const struct wbuf *body);
void conn_flush_all(struct monitor *m, uint64_t deadline_ns);
void conn_sweep(struct monitor *m);
void conn_tell_end(struct monitor *m); /* that the sandbox ends, and m->lost why; once */
void reply_ok(struct monitor *m, struct reply_to *to, const uint8_t *body, size_t len);
void reply_err(struct monitor *m, struct reply_to *to, const struct err *err);
void reply_agent(struct monitor *m, struct reply_to *to, const struct msg_reply *reply,
                 enum err_phase phase);

/* requests.c */
void requests_take(struct conn *c, const struct frame_head *h, const uint8_t *body);
void requests_conn_closed(struct conn *c);

/* agent_call.c: a request to the agent. fn is not called when p has been freed meanwhile: then
 * *to is told that it is gone. On failure nobody is told. */
typedef void agent_done_fn(struct process *p, const struct msg_reply *reply, struct reply_to *to);
int agent_call(struct process *p, uint16_t type, const struct wbuf *body, agent_done_fn *fn,
               struct reply_to to, struct err *err);

/* sandbox.c */
void sandbox_begin(struct monitor *m, struct reply_to to, const struct frame_head *h,
                   const uint8_t *body, int *fds, size_t n_fds);
void sandbox_fail(struct monitor *m, const struct err *err);
void sandbox_hello(struct monitor *m, const struct msg_hello *hello);
void sandbox_send_vmm(struct monitor *m, struct conn *proxy);
void sandbox_sweep(struct monitor *m);
void sandbox_set_up(struct monitor *m); /* tell the guest who it is; READY when it knows */
void sandbox_await(struct monitor *m, uint32_t ms); /* for so long; 0 = by default */

/* agent_link.c */
int agent_link_open(struct monitor *m, struct err *err); /* over the booted VM's channel */
void agent_link_update(struct monitor *m);               /* after something was sent */
/* It is freed in the sweep, for it may be in the middle of a call. */
void agent_link_lose(struct monitor *m, const struct err *err);

/* template.c: the guest has booted: save it, answer, end. */
void template_save(struct monitor *m);

/* hold.c: pause the VM, whoever asks; give it to another container. */
void hold_begin(struct monitor *m, struct reply_to to, int *fd);
bool hold_set_up(struct monitor *m); /* true: the agent's answer to SETUP was for us */
void hold_take(struct monitor *m, struct reply_to to, struct ipc_take *msg, int sock);

/* prepare.c */
int prepare_host(struct monitor *m, const int *disk_fds, size_t n_fds, struct err *err);

/* teardown.c */
void teardown_begin(struct monitor *m); /* orderly; does nothing the second time */
void teardown_destroy(struct monitor *m);
void teardown_wait(struct monitor *m, struct reply_to to); /* answered when all is gone */
void teardown_check(struct monitor *m);                    /* in each sweep */
void teardown_progress(struct monitor *m);                 /* a reader has taken some output */
void teardown_finish(struct monitor *m);                   /* after the loop */

/* mountns.c, share.c */
int mountns_enter(const struct ipc_sandbox *spec, int *ret_share_fd, struct err *err);
/* Below the private root, or where a VMM of the host finds it; name NULL = the share itself. */
char *share_path(const struct ipc_sandbox *s, const char *name);
int share_attach(struct monitor *m, struct container *c, const struct ipc_mount *mount, int fd,
                 struct err *err);
void share_detach(struct monitor *m, struct container *c);

/* network.c; both take over the descriptors */
void network_change(struct conn *conn, uint32_t seq, struct ipc_network *msg);
void network_reply(struct monitor *m, struct reply_to *to, const struct ipc_hostifs *hostifs);
void network_take_taps(struct monitor *m, int *fds, size_t n);
void network_booted(struct monitor *m);

/* forward.c; takes over the descriptors */
void forward_take(struct monitor *m, struct reply_to to, int fds[2]);
void forward_ended(struct monitor *m); /* one of its connections is gone */

/* clock.c: from the first container on */
void clock_keep(struct monitor *m);

/* resolver.c; takes over the descriptor */
void resolver_take(struct monitor *m, struct reply_to to, int *fd);
void resolver_ask(struct monitor *m, const uint8_t *question, size_t n);

/* memory.c */
void memory_grow(struct monitor *m, struct reply_to to, const struct ipc_memory *msg);

/* vcpus.c */
void vcpus_grow(struct monitor *m, struct reply_to to, const struct ipc_vcpus *msg);

/* container.c */
struct container *container_find(struct monitor *m, const char *id);
int container_create(struct monitor *m, struct conn *creator, uint32_t seq, struct ipc_create *msg,
                     int *fds, size_t n_fds, struct err *err);
void container_send_create(struct container *c);
void container_commit(struct container *c);
void container_set_status(struct container *c, enum state_status status);
void container_sweep(struct monitor *m);
static inline struct process *init_of(const struct container *c)
{
    return c->processes;
}

/* container_end.c */
void container_plugged(struct container *c, const struct err *failure); /* NULL = all disks */
void container_undo(struct container *c);
void container_kill(struct container *c);
void container_expect_end(struct container *c); /* init has been sent a SIGKILL */
void container_kill_heard(struct container *c, const struct msg_reply *reply);
void container_delete(struct container *c, struct reply_to to);
void container_init_exited(struct container *c);
void container_vm_lost(struct container *c);
void container_check(struct container *c); /* after a process has finished */
void container_late(void *ctx); /* the guest has not said in time what must have happened */

/* process.c; process_add: without a proxy; fds: stdin, stdout, stderr */
struct process *process_add(struct container *c, int fds[3], bool terminal, bool want_stdin);
struct process *process_new(struct container *c, bool init, int fds[4], bool terminal,
                            bool want_stdin, const struct proc_id *proxy);
struct process *process_find(struct monitor *m, uint32_t id);
int process_open(struct process *p, struct err *err); /* its streams may carry from now on */
void process_exited(struct process *p, int32_t status);
void process_try_finish(struct process *p);
void process_signal(struct process *p, uint32_t signo, bool all);
void process_progress(struct process *p); /* its output goes on: from the guest, to a reader */
void process_resize(struct process *p);
void process_proxy_lost(struct process *p);
void process_free(struct process *p);

/* stdio.c */
void stdio_init(struct process *p, int fds[3], bool terminal, bool want_stdin);
void stdio_start(struct process *p); /* read stdin from now on */
void stdio_pump(struct process *p);
void stdio_data(struct process *p, unsigned stream, const uint8_t *data, size_t n);
void stdio_eof(struct process *p, unsigned stream);
void stdio_stdin_gone(struct process *p);
void stdio_expect(struct process *p, unsigned stream, uint64_t left); /* after its exit */
void stdio_guest_gone(struct process *p);
bool stdio_ended(const struct process *p);   /* all streams */
bool stdio_drained(const struct process *p); /* what it wrote is with its readers */
bool stdio_owed(const struct process *p);    /* only the guest holds up more of it */
void stdio_forgive(struct process *p);       /* what is owed will not come */
void stdio_close(struct process *p);

/* events.c */
void events_subscribe(struct conn *c, struct container *of, uint32_t seq);
void events_oom(struct container *c, const struct msg_oom *m);
void events_exit(struct container *c, int32_t status);

/* console.c: open the guest's console and send its descriptor over *sock, which is taken over. */
void console_pass(struct monitor *m, struct reply_to to, int *sock);
/* From now on empty console.log when the guest has filled it. Without the file there is nothing to
 * guard. */
void console_guard(struct monitor *m);
void console_leave(struct monitor *m); /* the sandbox ends */

#endif
