/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.h - the agent's state, its loop, its channel and the machine that it runs; each folder has
 * a header of its own for what is in it.
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
#define AGENT_SHARE AGENT_RUN "/share"
#define AGENT_EMPTY AGENT_RUN "/empty" /* a file system that is, and has no room for a file */

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
    struct source resolver; /* who asks for names */
    struct source restored; /* of a guest of Xen */
    char domain[40];        /* its UUID */
    unsigned hear_s;        /* it was restored, and tries so long to be heard; 0 = it was */
    struct source cpus, cpus_timer;
    uint32_t cpus_wanted, cpus_seq; /* 0 = nobody waits for them; else whose request */
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

/* cpus.c: use each processor that comes, from now on */
int cpus_watch(struct agent *a, struct err *err);
/* Answers request seq when so many are in use, or when no more come. */
int cpus_await(struct agent *a, uint32_t seq, uint32_t count, struct err *err);

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
void machine_loopback_up(void);                      /* of the caller's network namespace */
void machine_child_limits(void);                     /* what a process has unless its plan says */
void machine_sync_share(const struct agent *a);
void machine_off(struct agent *a);

/* setup.c: may come again, to a VM that has waited in a pool */
int machine_setup(struct agent *a, const struct msg_setup *m, struct err *err);

/* clock.c: ns since 1970. shift is about that of the machine, if we are one. */
uint64_t clock_now(void);
void clock_set(uint64_t ns); /* 0 = leave it */
void clock_shift(const struct agent *a, int64_t ns);

/* modules.c */
int modules_load(const char *stage, const char *group, struct err *err);
int modules_preload(struct agent *a);
int modules_group(const struct agent *a, const char *group, struct err *err);
int modules_asked(const char *name); /* by the kernel; an exit status */

/* alone.c */
void alone_watch(struct agent *a);
bool alone_still(struct agent *a);

#endif
