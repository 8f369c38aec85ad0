/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container.h - containers and their processes, as the loop knows them: streams, cgroups, filters,
 * figures. For requests.c and all that a container is made of; what the forked child does of it is
 * in child.h.
 */
#ifndef AGENT_CONTAINER_H
#define AGENT_CONTAINER_H
#include "agent/agent.h"
#include "agent/files/files.h"

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
    bool usual;                 /* the mounts that were made before it are its own */
    int ipc_fd;                 /* its IPC namespace, if that was made before it; or -1 */
    struct nfs_job *nfs;        /* a MOUNT that is under way; NULL = none */
    size_t n_nfs_mounts;        /* of the plan's first mounts, those of servers are mounted */
};

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

#endif
