/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message.h - the bodies of all control frames but the plan: structs, encoders, decoders.
 * Same rules as plan.h: {0} is empty, *_done frees, decoders are total and bounded.
 */
#ifndef PROTO_MESSAGE_H
#define PROTO_MESSAGE_H
#include <stdint.h>
#include "proto/plan.h"
#include "proto/wire.h"

/* Feature words of HELLO: what this agent can do beyond version 1's requests. */
#define AGENT_F_OVERLAY (UINT64_C(1) << 0)
#define AGENT_F_DISKS (UINT64_C(1) << 1) /* PLAN_M_DISK, plan_root, devices by serial number */

struct msg_hello {
    uint32_t version; /* PROTO_VERSION */
    uint64_t features;
    uint64_t boot_ns;            /* CLOCK_BOOTTIME of the guest when HELLO was sent */
    char *kernel, *arch, *agent; /* uname release and machine; agent version */
};

struct msg_setup {
    uint64_t realtime_ns; /* guest clock is set to it */
    uint8_t *entropy;     /* for the guest's RNG */
    size_t entropy_len;
    char *share_tag;          /* 9p mount tag; NULL = no share */
    char *share_options;      /* "trans=virtio,version=9p2000.L,msize=...,cache=mmap,..." */
    char *share_dir;          /* instead of a tag: an existing directory (tests/fake) */
    char *hostname;           /* of the VM's own uts namespace; NULL = leave */
    struct plan_list modules; /* late module groups of the image to load now ("net", ...) */
};

struct msg_reply {
    int32_t code;  /* 0 or a positive errno */
    char *text;    /* sentence of a failure; for CREATE and EXEC runc's wording */
    uint8_t *body; /* answer of STATS, PS; else empty */
    size_t body_len;
};

struct msg_exec {
    char *container; /* OCI id */
    struct plan_process process;
    struct plan_cgroup cgroup; /* reserved; empty */
};

/* Sent at once: who waits for the exit also wants what the process wrote before, which follows as
 * far as the streams' credit lets it. */
#define MSG_LEFT_TO_EOF UINT64_MAX
struct msg_exited {
    int32_t status; /* exit code 0-255, or -n when killed by signal n */
    uint32_t oom;   /* 1: the container's cgroup saw an OOM kill */
    /* Bytes of it that are still to come on each stream; MSG_LEFT_TO_EOF: all up to its EOF. */
    uint64_t left_stdout, left_stderr;
};

/* A process of a container was killed for lack of memory: what had no more of it? */
enum { MSG_OOM_UNKNOWN, MSG_OOM_CGROUP, MSG_OOM_MACHINE };
struct msg_oom {
    uint32_t where;
    uint64_t limit; /* of the container, in bytes; 0 = none: of a cgroup that it has made */
};

struct msg_signal {
    uint32_t signo, all; /* all: every process of the container's cgroup */
};

struct msg_resize {
    uint32_t rows, cols;
};

/* A TCP server of the pod that listens on its loopback, IPv4's or IPv6's. */
struct msg_connect {
    uint32_t port;
};

/* IPv4 address of a name server that the guest's own network does not reach. */
struct msg_resolver {
    uint32_t address; /* 127.0.0.11 = 0x7f00000b */
};

/* How far the machine's clock is to go, 0 = not at all; in the reply what it shows. */
struct msg_clock {
    int64_t shift_ns;
    uint64_t realtime_ns;
};

/* How many processors the guest shall use; in the reply how many it does, which may be fewer. */
struct msg_cpus {
    uint32_t count;
};

/* Numbers of cgroup v2; PLAN_UNSET = the guest does not know. Bytes, microseconds, counts. */
struct msg_stats {
    uint64_t cpu_usage_us, cpu_user_us, cpu_system_us, cpu_periods, cpu_throttled, cpu_throttled_us;
    uint64_t mem_usage, mem_peak, mem_limit, mem_anon, mem_file, mem_kernel, mem_inactive_file;
    uint64_t mem_pgfault, mem_pgmajfault, mem_oom_kills, swap_usage, swap_limit;
    uint64_t pids, pids_limit;
    uint64_t io_read_bytes, io_write_bytes, io_reads, io_writes;
};

struct msg_ps_row {
    uint32_t pid, ppid, uid; /* pid as the container's pid namespace sees it (0: outside) */
    uint32_t proc_id;        /* the id whose process this is (init or exec), else 0 */
    uint64_t start_ms;       /* since guest boot */
    uint64_t cpu_ms;
    char *tty, *cmd; /* cmd: arguments joined with blanks */
};
struct msg_ps {
    struct msg_ps_row *rows;
    size_t n;
};

void msg_hello_put(struct wbuf *w, const struct msg_hello *m);
int msg_hello_get(struct wire body, struct msg_hello *ret);
void msg_hello_done(struct msg_hello *m);
void msg_setup_put(struct wbuf *w, const struct msg_setup *m);
int msg_setup_get(struct wire body, struct msg_setup *ret);
void msg_setup_done(struct msg_setup *m);
void msg_reply_put(struct wbuf *w, const struct msg_reply *m);
int msg_reply_get(struct wire body, struct msg_reply *ret);
void msg_reply_done(struct msg_reply *m);
void msg_exec_put(struct wbuf *w, const struct msg_exec *m);
int msg_exec_get(struct wire body, struct msg_exec *ret);
void msg_exec_done(struct msg_exec *m);
void msg_exited_put(struct wbuf *w, const struct msg_exited *m);
int msg_exited_get(struct wire body, struct msg_exited *ret);
void msg_oom_put(struct wbuf *w, const struct msg_oom *m);
int msg_oom_get(struct wire body, struct msg_oom *ret);

void msg_signal_put(struct wbuf *w, const struct msg_signal *m);
int msg_signal_get(struct wire body, struct msg_signal *ret);
void msg_resize_put(struct wbuf *w, const struct msg_resize *m);
int msg_resize_get(struct wire body, struct msg_resize *ret);
void msg_connect_put(struct wbuf *w, const struct msg_connect *m);
int msg_connect_get(struct wire body, struct msg_connect *ret);
void msg_resolver_put(struct wbuf *w, const struct msg_resolver *m);
int msg_resolver_get(struct wire body, struct msg_resolver *ret);
void msg_clock_put(struct wbuf *w, const struct msg_clock *m);
int msg_clock_get(struct wire body, struct msg_clock *ret);
void msg_cpus_put(struct wbuf *w, const struct msg_cpus *m);
int msg_cpus_get(struct wire body, struct msg_cpus *ret);
void msg_stats_put(struct wbuf *w, const struct msg_stats *m);
int msg_stats_get(struct wire body, struct msg_stats *ret);
void msg_ps_put(struct wbuf *w, const struct msg_ps *m);
int msg_ps_get(struct wire body, struct msg_ps *ret);
void msg_ps_done(struct msg_ps *m);

#endif
