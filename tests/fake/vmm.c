/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake-vmm UUID AGENT WORDS: the process that stands for a VMM.  Waits for the start byte, makes
 * new namespaces with the agent as their pid 1, and ends with it.  The UUID in the command line is
 * how vm_reopen recognises the process.
 */
#include "vmm.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cgroup.h"

#define CLEAN_UP_MS 2000

static int fail(const char *what)
{
    fprintf(stderr, "fake-vmm: %s: %s\n", what, strerror(errno));
    return VMM_FAILED;
}

/* 1 = start, 0 = the other end is gone. */
static int lifeline_read(void)
{
    char c;
    ssize_t n;

    do
        n = read(VMM_FD_LIFELINE, &c, 1);
    while (n < 0 && errno == EINTR);
    return n == 1;
}

static int make_namespaces(void)
{
    if (unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET) < 0)
        return fail("unshare");
    /* Slave: mounts that appear in the share still arrive, none of the guest's go back. */
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return fail("make the mounts slaves");
    return 0;
}

/* Pid 1 of the namespaces.  vmm: a pidfd of the parent, which may have died before prctl. */
static int guest(const char *agent, const char *words, int vmm)
{
    struct pollfd p = {.fd = vmm, .events = POLLIN};
    char fd[16];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (poll(&p, 1, 0) != 0)
        return VMM_FAILED;
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return fail("mount /proc");
    if (fcntl(VMM_FD_LIFELINE, F_SETFD, FD_CLOEXEC) < 0)
        return fail("keep the lifeline from the guest");
    snprintf(fd, sizeof(fd), "%d", VMM_FD_CHANNEL);
    execl(agent, agent, "--fd", fd, words, (char *)NULL);
    return fail(agent);
}

/* Until the agent has ended, or the lifeline has and the agent was made to. */
static int supervise(pid_t pid, int pidfd)
{
    struct pollfd p[] = {{.fd = pidfd, .events = POLLIN},
                         {.fd = VMM_FD_LIFELINE, .events = POLLIN}};
    int status, cut = 0;

    close(VMM_FD_CHANNEL); /* the agent's end of file must be seen as such */
    while (poll(p, 2, -1) < 0 && errno == EINTR)
        ;
    if (!p[0].revents) {
        cut = 1;
        kill(pid, SIGKILL);
    }
    /* Returns only when all processes of the namespace are gone. */
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return fail("wait for the agent");
    return cut || (WIFEXITED(status) && WEXITSTATUS(status) == 0) ? VMM_POWEROFF : VMM_PANIC;
}

int main(int argc, char **argv)
{
    char cgroup[1024] = "";
    int self, pidfd, r;
    pid_t pid;

    if (argc != 4) {
        fprintf(stderr, "usage: fake-vmm UUID AGENT WORDS\n");
        return VMM_FAILED;
    }
    if (!lifeline_read())
        return VMM_POWEROFF;
    if (fake_cgroup_path(getpid(), argv[1], cgroup, sizeof(cgroup)) < 0 ||
        fake_cgroup_enter(cgroup) < 0)
        cgroup[0] = '\0'; /* the guest has no cgroups then */
    self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (self < 0 || make_namespaces() != 0)
        return VMM_FAILED;
    pid = fork();
    if (pid < 0)
        return fail("fork");
    if (pid == 0)
        _exit(guest(argv[2], argv[3], self));
    pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        return fail("pidfd_open");
    r = supervise(pid, pidfd);
    if (cgroup[0]) {
        fake_cgroup_leave(cgroup);
        fake_cgroup_remove(cgroup, CLEAN_UP_MS);
    }
    return r;
}
