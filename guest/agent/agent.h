/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.h - the agent's state and what its files offer each other.
 * One thread, one epoll loop; a process of a container is set up in a forked child (child.c), which
 * talks to the loop over a socket. Nothing in the loop waits for a container.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "proto/frame.h"
#include "proto/message.h"
#include "proto/network.h"
#include "proto/plan.h"

#define AGENT_VERSION "0.1.0"
#define AGENT_PORT "org.anyvisor.agent.0"
#define AGENT_RUN "/run/anyvisor"

struct agent;
struct container;
struct process;

/* Where the agent runs: decided once in main, asked by whoever would touch the machine. */
struct surroundings {
    bool machine;        /* pid 1 of a VM; else in namespaces on a host (tests/fake) */
    bool debug;          /* lines to /dev/kmsg */
    int channel_fd;      /* --fd N, or -1 */
    uint32_t vsock_port; /* 0 = virtio-serial or hvc */
    uint32_t hvc;        /* this is a guest of Xen, with the channel on /dev/hvcN; 0 = it is not */
    char fault[16];      /* point at which a test wants us to die */
    char preload[48];    /* groups of modules, joined by commas, that will be asked for */
};

/* Something the loop watches. fd is -1 when it is not watched. */
struct source {
    int fd;
    uint32_t events;
    void (*ready)(struct agent *a, struct source *s, uint32_t events);
};

struct channel {
    struct source source;
    bool connected;   /* the host listens: HELLO has been queued */
    uint32_t session; /* of the ATTACH that connected */
    bool hung_up;     /* a port: nobody is at its other end, as far as its driver knows */
    bool ahead;       /* the ATTACH came before the driver knew of its host */
    struct frame_reader reader;
    uint8_t *out; /* bytes not yet written: [out_at, out_len) */
    size_t out_at, out_len, out_cap;
};

/* One direction of a process's stdio. stdin: host -> pipe; the others: pipe -> host. */
struct stream {
    struct source source;
    struct process *process;
    uint8_t which;  /* STREAM_* */
    bool eof;       /* stdin: the host sent EOF; else: our EOF went out */
    uint8_t *queue; /* stdin: bytes for the pipe, at most STREAM_WINDOW */
    size_t queue_at, queue_len;
    size_t credit; /* output: what the host still accepts */
};

enum process_state { P_SETUP, P_CREATED, P_STARTING, P_RUNNING, P_DEAD };

struct process {
    struct process *next;
    uint32_t id;
    struct container *container; /* NULL: a connection, or forgotten */
    bool is_init, terminal;
    uint16_t port; /* of a connection, which has no pid but streams; 0 = it is a process */
    bool exited_sent;
    enum process_state state;
    pid_t pid;
    struct source pidfd, ctl;
    uint32_t seq; /* request that waits for the child's word; 0 = none */
    bool owes_reply;
    int kill_signo; /* a signal that killed it before its start */
    int fail_code;  /* the child's word why it can't go on: reply once it is gone */
    char *fail_text;
    int status; /* as in msg_exited, valid when P_DEAD */
    uint32_t oom;
    struct stream streams[3];
};

struct container {
    struct container *next;
    struct plan_container plan;
    uint32_t id;          /* of its init process */
    struct process *init; /* NULL once forgotten */
    int cgroup_fd;        /* directory; -1 without cgroup v2 */
    char cgroup_name[32];
    int devfilter_fd;               /* attached BPF program, or -1 */
    bool devfilter_plain;           /* it is that of a spare cgroup */
    bool devfilter_changed;         /* it is no longer that of the plan */
    int watch_memory, watch_events; /* inotify watch descriptors, -1 = none */
    uint64_t oom_kills, ooms;       /* of memory.events, as last told */
    bool frozen;
    uint32_t freeze_seq; /* PAUSE or RESUME that waits for the cgroup; 0 = none */
    bool freeze_wanted, owes_freeze;
    uint32_t delete_seq;
    bool deleting;
    struct wire request;        /* the body of CREATE, while it is at hand */
    uint32_t wait_seq;          /* CREATE that waits for disks; 0 = none */
    size_t n_disk_mounts;       /* of the plan's first mounts, those on disks are mounted */
    bool root_used, upper_used; /* disks of the root are mounted */
    struct nfs_job *nfs;        /* a MOUNT that is under way; NULL = none */
    size_t n_nfs_mounts;        /* of the plan's first mounts, those of servers are mounted */
};

struct shm {
    struct shm *next;
    char *name;
    unsigned users;
};

/* A process that waits to become the first container's; pidfd -1 = none. */
struct sparechild {
    pid_t pid;
    int pidfd, ctl;
};

struct disk;
struct network_wait;
struct disk_alias;
struct nfs_job;

struct agent {
    struct surroundings at;
    int epoll, null_fd, kmsg_fd, urandom_fd;
    int alone_fd;            /* alone.c */
    int proc_fd;             /* procfs of our own pid namespace, detached */
    int pidns_fd;            /* our pid namespace, to come back to */
    int cgroup_fd;           /* below it containers get their cgroups; -1 = no cgroup v2 */
    char *cgroup_made;       /* fake: the directory to remove at the end */
    struct container *spare; /* its cgroup only: made before a container needs it; NULL = used */
    struct sparechild sparechild;
    int share_fd;
    char *share_dir; /* for children: a descriptor of ours is of no use in their mount namespace */
    struct source inotify, signals, timer, uevents, disk_timer, links, network_timer;
    struct source resolver;       /* who asks for names */
    struct source restored, cpus; /* of a guest of Xen */
    char domain[40];              /* its UUID */
    struct channel channel;
    struct container *containers;
    struct process *processes;
    struct shm *shm;
    struct disk *disks;
    struct network_wait *network_wait; /* NULL = none */
    struct questions *questions;       /* resolver.c */
    struct disk_alias *aliases;
    bool share_mounted, stop, powering_off;
    uint32_t poweroff_seq;
};

/* main.c: what the host wants of us, in the kernel's arguments or our own */
void agent_words(struct agent *a, char *line);

/* fault.c: "hello", "exit", and each request by its name ("setup", "create", ...) */
void fault_point(const struct agent *a, const char *name);

/* loop.c */
int loop_watch(struct agent *a, struct source *s, int fd, uint32_t events,
               void (*ready)(struct agent *, struct source *, uint32_t), struct err *err);
void loop_events(struct agent *a, struct source *s, uint32_t events); /* change what is watched */
void loop_close(struct agent *a, struct source *s);                   /* also closes the fd */
int loop_run(struct agent *a);

/* uevents.c: a socket that does not block, a message for each device that comes or goes; -errno */
int uevents_open(void);

/* xen.c: what changes around a guest of Xen; nothing on others */
int xen_watch(struct agent *a, struct err *err);
bool xen_is_disk(const struct agent *a, const char *name,
                 const char *tag); /* of one that came later */

/* channel.c */
int channel_open(struct agent *a, struct err *err);
int channel_reopen(struct agent *a, struct err *err); /* its device has forgotten us */
void channel_send(struct agent *a, uint16_t type, uint32_t id, uint32_t seq, const void *body,
                  size_t len);
void channel_reply(struct agent *a, uint32_t id, uint32_t seq, int r, const struct err *err);
void channel_reply_body(struct agent *a, uint32_t id, uint32_t seq, const struct wbuf *body);
void channel_done(struct agent *a);
bool channel_congested(const struct agent *a);
void channel_flush(struct agent *a); /* until all is out: only before power-off */
void agent_log(struct agent *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
void agent_debug(struct agent *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* requests.c */
int request_dispatch(struct agent *a, const struct frame_head *h, const uint8_t *body);

/* machine.c */
int machine_boot(struct agent *a, struct err *err);
int machine_files(struct agent *a, struct err *err); /* proc_fd, pidns_fd, null_fd */
int machine_setup(struct agent *a, const struct msg_setup *m, struct err *err);
void machine_loopback_up(void);  /* of the caller's network namespace */
void machine_child_limits(void); /* what a process has unless its plan says */
void machine_sync_share(const struct agent *a);
void machine_off(struct agent *a);

/* clock.c: ns since 1970. shift is about that of the machine, if we are one. */
uint64_t clock_now(void);
void clock_set(uint64_t ns); /* 0 = leave it */
void clock_shift(const struct agent *a, int64_t ns);

/* modules.c */
int modules_load(const char *stage, const char *group, struct err *err);
int modules_preload(struct agent *a);
int modules_group(const struct agent *a, const char *group, struct err *err);
int modules_asked(const char *name); /* by the kernel; an exit status */

/* container.c */
struct container *container_find(struct agent *a, const char *id);
struct container *container_of_init(struct agent *a, uint32_t id);
int container_create(struct agent *a, uint32_t id, uint32_t seq, struct plan_container *plan,
                     struct wire body, struct err *err); /* body: what the plan was in */
int container_exec(struct agent *a, uint32_t id, uint32_t seq, struct msg_exec *m, struct err *err);
void container_discard(struct agent *a, struct container *c); /* frees it; all are dead */
/* What it waited for is there, or will not come. May free it. */
void container_disks_there(struct agent *a, struct container *c);
void container_init_gone(struct agent *a, struct container *c);
int container_freeze(struct agent *a, struct container *c, uint32_t seq, bool freeze,
                     struct err *err);
int container_delete(struct agent *a, struct container *c, uint32_t seq, struct err *err);
void container_changed(struct agent *a, struct container *c); /* cgroup or process news */
void containers_kill_all(struct agent *a);
void containers_done(struct agent *a); /* at the end of a guest that is no machine */
void containers_power_off(struct agent *a, uint32_t seq); /* stops the loop when all are dead */

/* process.c */
struct process *process_find(struct agent *a, uint32_t id);
int process_spawn(struct agent *a, struct container *c, uint32_t id, uint32_t seq, bool init,
                  const struct plan_process *plan, struct err *err);
int process_start(struct agent *a, struct process *p, uint32_t seq, struct err *err);
int process_signal(struct agent *a, struct process *p, int signo, struct err *err);
struct process *process_new(struct agent *a, uint32_t id, uint32_t seq);
void process_free(struct agent *a, struct process *p);
void process_try_report(struct agent *a,
                        struct process *p); /* EXITED; frees it after its last EOF */
void processes_report(struct agent *a);     /* a new connection: what is still untold */
bool processes_alive(const struct agent *a, const struct container *c);
void processes_forget(struct agent *a, struct container *c);
void process_reap_strangers(struct agent *a);

/* connect.c: streams of TCP connections into the pod; the reply comes later */
int connect_begin(struct agent *a, uint32_t id, uint32_t seq, uint16_t port, struct err *err);
void connect_try_end(struct agent *a, struct process *p); /* may free it */

/* streams.c */
void streams_init(struct process *p); /* with nothing behind them */
int streams_pipes(struct process *p, const struct plan_process *plan, int null_fd, int ret_child[3],
                  struct err *err);
int streams_watch(struct agent *a, struct process *p, struct err *err);
/* Both ways over one descriptor, which is taken over. */
int streams_adopt(struct agent *a, struct process *p, int fd, struct err *err);
int stream_data(struct agent *a, struct process *p, const struct frame_head *h,
                const uint8_t *body);
void stream_eof(struct agent *a, struct process *p);
void stream_credit(struct agent *a, struct process *p, unsigned which, uint32_t bytes);
void stream_closed(struct agent *a, struct process *p, unsigned which);
int stream_resize(struct process *p, uint32_t rows, uint32_t cols, struct err *err);
uint64_t stream_left(const struct process *p, unsigned which);
void streams_uncork(struct agent *a);       /* the channel has room again */
void streams_reset_credit(struct agent *a); /* a new host connection */
void streams_done(struct agent *a, struct process *p);

/* cgroup.c */
int cgroup_open(struct agent *a, struct err *err);
int cgroup_make(struct agent *a, struct container *c, struct err *err); /* without limits */
int cgroup_create(struct agent *a, struct container *c, struct err *err);
int cgroup_apply(struct agent *a, struct container *c, const struct plan_cgroup *plan,
                 struct err *err);
int cgroup_read(int dir, const char *file, char *buf, size_t size); /* length or -errno */
int cgroup_write(int dir, const char *file, const char *text);
int cgroup_enter(struct agent *a, struct container *c, pid_t pid, struct err *err);
void cgroup_kill(struct container *c, int signo);
bool cgroup_populated(const struct container *c);
bool cgroup_is_frozen(const struct container *c);
uint64_t cgroup_key(int dir, const char *file, const char *key); /* PLAN_UNSET = unknown */
uint64_t cgroup_number(int dir, const char *file); /* of one number; "max" is none: PLAN_UNSET */
int cgroup_remove(struct agent *a, struct container *c);
int cgroup_each_pid(int dir, int (*each)(void *arg, pid_t pid), void *arg);
void cgroup_done(struct agent *a);

/* spare.c */
void spare_make(struct agent *a);
bool spare_take(struct agent *a, struct container *c);
void spare_drop(struct agent *a);

/* sparechild.c */
struct job;
void sparechild_make(struct agent *a, struct container *c); /* c: the spare one */
/* Its pid, and it goes on as a forked child would; 0: there is none that can. */
pid_t sparechild_use(struct job *j, int *ret_ctl, int *ret_pidfd);
void sparechild_drop(struct agent *a);
void sparechild_await(struct job *j); /* in the child: until it is used */

/* devfilter.c */
int devfilter_attach(const struct agent *a, struct container *c,
                     const struct plan_device_rule *rules, size_t n, struct err *err);
/* Of a spare cgroup: the filter that most containers want, and none instead of it. */
void devfilter_prepare(struct container *c);
void devfilter_drop_plain(struct container *c);

/* stats.c, ps.c */
void stats_gather(const struct container *c, struct msg_stats *ret);
int ps_gather(struct agent *a, struct container *c, struct msg_ps *ret, struct err *err);

/* shm.c */
int shm_prepare(struct agent *a, const struct plan_container *c, struct err *err);
void shm_release(struct agent *a, const struct plan_container *c);
const char *shm_dir(const struct agent *a);

/* disks.c: mounted disks of the machine, counted; layers.c: roots on them */
bool disks_wanted(const struct plan_container *c);
/* Its serial number; NULL = none. */
const char *disks_missing(const struct agent *a, const struct plan_container *c);
/* "NAME:TAG": the disk of that serial number, which has none to read, is /dev/NAME. */
void disk_alias(struct agent *a, const char *word);
int disks_prepare(struct agent *a, struct container *c, struct err *err);
void disks_release(struct agent *a, struct container *c);
/* The same for good: disks that end with the machine are left as they are, with all that is still
 * to be written to them. */
void disks_power_off(struct agent *a, struct container *c);
int disk_use(struct agent *a, const char *tag, const char *type, const char *data, struct err *err);
void disk_drop(struct agent *a, const char *tag);
int disk_dir(const char *tag, const char *subdir, struct err *err); /* O_PATH; also in the child */
int layers_prepare(struct agent *a, struct container *c, struct err *err);
void layers_release(struct agent *a, struct container *c);
int layers_root(const struct container *c, struct err *err); /* in the child */

/* nfs.c. nfs_mount: 1: done; 0: it will reply */
bool nfs_wanted(const struct plan_container *c);
int nfs_mount(struct agent *a, struct container *c, uint32_t seq, struct err *err);
void nfs_cancel(struct agent *a, struct container *c);

/* network.c. 1: done; 0: it takes *n over and will reply */
int network_set(struct agent *a, uint32_t id, uint32_t seq, struct msg_network *n, struct err *err);

/* resolver.c */
int resolver_begin(struct agent *a, uint32_t address, struct err *err);
void resolver_answer(struct agent *a, const uint8_t *answer, size_t n);

/* alone.c */
void alone_watch(struct agent *a);
bool alone_still(struct agent *a);

/* diskwait.c. 1: all disks are there; 0: container_disks_there will be called */
int disks_await(struct agent *a, struct container *c, struct err *err);

/*
 * mounts.c: file systems that a container in a user namespace may not make by itself, since the
 * namespace that they show (the VM's network, ...) is not its own. They are made before the fork.
 */
#define LENT_MAX 8
struct lent {
    size_t n;
    struct {
        size_t index; /* of the plan's mount */
        int fd;       /* detached mount */
    } v[LENT_MAX];
};
int mounts_lend(const struct plan_container *c, struct lent *l, struct err *err);
void mounts_lend_done(struct lent *l);

/* child.c: all below runs in the forked child, but for fork.c */
struct job {
    struct agent *a;
    struct container *c;
    const struct plan_process *p;
    bool exec;       /* into a running container; else the container's init */
    bool unattended; /* exec's at once: nobody waits between its set-up and its start */
    bool await_go;   /* the loop has something to do to it first */
    bool spare;      /* it does not know yet whose it is */
    int ctl;         /* socket to the loop */
    int stdio[3];
    int *join_pidfds;  /* PLAN_NS_COUNT pidfds for PLAN_NS_JOIN, -1 where unused */
    int init_pidfd;    /* exec: the container's init */
    int master, slave; /* terminal, -1 = none */
    uint64_t late_ns;  /* namespaces to unshare after joining the user namespace */
    struct lent lent;
};
void child_main(struct job *j) __attribute__((noreturn));

/* fork.c: 0 or -errno */
void fork_chown_stdio(const struct container *c, const struct plan_process *plan,
                      const int child[3]);
int fork_join_fds(struct agent *a, const struct plan_container *c, int fds[PLAN_NS_COUNT],
                  struct err *err);
int fork_child(struct job *j, int ctl_parent, int *ret_pidfd, bool *ret_in_cgroup,
               struct err *err); /* pid; in the child it does not return */
int fork_prepare(struct agent *a, struct container *c, const struct plan_process *plan, bool init,
                 bool in_cgroup, pid_t pid, struct err *err); /* before the child goes on */

/* What child and loop say to each other, one packet each. */
enum { CTL_GO = 1, CTL_START };
struct ctl_report {
    int32_t code;   /* 0 = ready, else a positive errno with text */
    int32_t master; /* the child's number of the pty's master, or -1 */
    char text[1024];
};

int namespaces_enter(struct job *j, struct err *err);
int sysctl_write(struct job *j, int root, struct err *err);
int rootfs_build(struct job *j, int *ret_root, struct err *err);
int rootfs_switch(int root, struct err *err);
int devices_make(struct job *j, int root, struct err *err);
int devices_mask(struct job *j, int root, struct err *err);
int mounts_make(struct job *j, int root, struct err *err);
/* A detached mount in its place, with what the plan says of it. */
int mounts_put(int mount, int dest, const struct plan_mount *m, struct err *err);
int mounts_console(struct job *j, int root, struct err *err);
int terminal_open(struct job *j, int root, struct err *err);
int terminal_claim(struct job *j, struct err *err);
int copyup(int from, int to, struct err *err);
int program_env(struct plan_list *env, uint32_t uid, struct err *err);
int hooks_run(const struct plan_container *c, struct err *err);
/* The descriptors keep what was found in the kernel's caches: -1, or for close_fd. */
struct found_program {
    char *path;
    int fd, link_fd;
};
int program_find(const struct plan_process *p, struct found_program *ret, struct err *err);
int program_cwd(const struct plan_process *p, struct err *err);
int credentials_borrow(const struct plan_process *p, struct err *err);
int credentials_return(struct err *err);
int credentials_take(const struct plan_process *p, struct err *err);
int seccomp_load(const struct plan_process *p, struct err *err);

/* mountapi.c, inroot.c: helpers of the child */
int mountapi_new(const char *type, const char *source, const char *data, uint64_t ms_flags,
                 int *ret_mount, struct err *err);
int mountapi_clone(int from, bool recursive, int *ret_mount, struct err *err);
int mountapi_flags(int mount, uint64_t ms_flags, bool recursive);
int mountapi_propagation(int mount, uint64_t ms_flags);
int inroot_open(int root, const char *path, uint64_t flags);  /* fd or -errno */
int inroot_dir(int root, const char *path, struct err *err);  /* mkdir -p; fd */
int inroot_file(int root, const char *path, struct err *err); /* touch; O_PATH fd */
int inroot_parent(int root, const char *path, char **ret_name, struct err *err);

#endif
