/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.h - the forked child that becomes a process of a container, and what the loop does to it.
 * It talks to the loop over a socket. All here runs in the child, but for fork.c.
 */
#ifndef AGENT_CHILD_H
#define AGENT_CHILD_H
#include "agent/container/container.h"
#include "agent/files/files.h"

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
int terminal_open(struct job *j, int root, struct err *err);
int terminal_claim(struct job *j, struct err *err);
int program_env(struct plan_list *env, uint32_t uid, struct err *err);
int hooks_run(const struct plan_container *c, struct err *err);
/* The descriptors keep what was found in the kernel's caches: -1, or for close_fd. */
struct found_program {
    char *path;
    int fd, link_fd;
};
int program_find(const struct plan_process *p, struct found_program *ret, struct err *err);
int program_cwd(const struct plan_process *p, struct err *err);
void credentials_keyring(void); /* of its own, not the agent's */
int credentials_borrow(const struct plan_process *p, struct err *err);
int credentials_return(struct err *err);
int credentials_take(const struct plan_process *p, struct err *err);
int seccomp_load(const struct plan_process *p, struct err *err);

#endif
