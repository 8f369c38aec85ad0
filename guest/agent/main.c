/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent: pid 1 of the guest. "agent --fd N [WORDS]" runs it in namespaces of a host instead,
 * with the channel on descriptor N and WORDS for the kernel's arguments (tests/fake). As
 * /sbin/modprobe of the image, "modprobe -q -- NAME", it loads what the kernel asks for.
 */
#include "agent/container/container.h"
#include "agent/storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent/sys.h"
#include "base/cleanup.h"

static void on_signal(struct agent *a, struct source *s, uint32_t events)
{
    struct signalfd_siginfo si;

    (void)events;
    while (read(s->fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
        if (si.ssi_signo == SIGTERM && !a->at.machine)
            a->stop = true;
    process_reap_strangers(a);
}

static int watch_signals(struct agent *a, struct err *err)
{
    cleanup_fd int fd = -1;
    sigset_t set;
    int r;

    /* Nothing that was ignored when the agent started shall be ignored in a container. */
    for (int i = 1; i < 65; i++)
        (void)signal(i, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return err_set(err, errno, "signalfd: %m");
    r = loop_watch(a, &a->signals, fd, EPOLLIN, on_signal, err);
    if (r == 0)
        (void)steal_fd(&fd);
    return r;
}

void agent_words(struct agent *a, char *line)
{
    char *save = NULL;

    for (char *w = strtok_r(line, " \n", &save); w; w = strtok_r(NULL, " \n", &save)) {
        if (strcmp(w, "anyvisor.debug") == 0)
            a->at.debug = true;
        else if (strncmp(w, "anyvisor.vsock=", 15) == 0)
            a->at.vsock_port = (uint32_t)strtoul(w + 15, NULL, 10);
        else if (strncmp(w, "anyvisor.hvc=", 13) == 0)
            a->at.hvc = (uint32_t)strtoul(w + 13, NULL, 10);
        else if (strncmp(w, "anyvisor.disk=", 14) == 0)
            disk_alias(a, w + 14);
        else if (strncmp(w, "anyvisor.fault=", 15) == 0)
            snprintf(a->at.fault, sizeof(a->at.fault), "%s", w + 15);
        else if (strncmp(w, "anyvisor.preload=", 17) == 0)
            snprintf(a->at.preload, sizeof(a->at.preload), "%s", w + 17);
    }
}

static int serve(struct agent *a, struct err *err)
{
    int r;

    a->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (a->epoll < 0)
        return err_set(err, errno, "epoll: %m");
    if (a->at.machine && (r = machine_boot(a, err)) < 0)
        return r;
    /* Not a machine: what is mounted here must not reach the host, what it mounts in the share
     * must. */
    if (!a->at.machine && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return err_set(err, errno, "make mounts slaves: %m");
    if ((r = machine_files(a, err)) < 0 || (r = watch_signals(a, err)) < 0 ||
        (r = cgroup_open(a, err)) < 0 || (r = channel_open(a, err)) < 0 ||
        (r = xen_watch(a, err)) < 0)
        return r;
    r = loop_run(a);
    if (r < 0)
        err_set(err, -r, "event loop: %m");
    containers_kill_all(a);
    machine_off(a);
    if (!a->at.machine)
        containers_done(a);
    channel_done(a);
    free(steal_ptr(&a->share_dir));
    return r;
}

int main(int argc, char **argv)
{
    struct agent a = {
        .epoll = -1,
        .null_fd = -1,
        .kmsg_fd = -1,
        .urandom_fd = -1,
        .alone_fd = -1,
        .proc_fd = -1,
        .pidns_fd = -1,
        .cgroup_fd = -1,
        .sparechild = {.pidfd = -1, .ctl = -1},
        .share_fd = -1,
        .inotify.fd = -1,
        .signals.fd = -1,
        .timer.fd = -1,
        .uevents.fd = -1,
        .disk_timer.fd = -1,
        .links.fd = -1,
        .network_timer.fd = -1,
        .resolver.fd = -1,
        .restored.fd = -1,
        .cpus.fd = -1,
        .cpus_timer.fd = -1,
        .channel.source.fd = -1,
        .at.channel_fd = -1,
    };
    struct err err = ERR_INIT;
    int r;

    if ((argc == 3 || argc == 4) && strcmp(argv[1], "--fd") == 0) {
        a.at.channel_fd = (int)strtol(argv[2], NULL, 10);
        if (argc == 4)
            agent_words(&a, argv[3]);
    } else if (argc == 4 && strcmp(argv[1], "-q") == 0 && strcmp(argv[2], "--") == 0) {
        return modules_asked(argv[3]); /* as the kernel's modprobe */
    } else if (getpid() != 1) {
        fprintf(stderr, "usage: agent --fd N [WORDS] (without it, pid 1 of a virtual machine)\n");
        return 2;
    }
    a.at.machine = a.at.channel_fd < 0;
    r = serve(&a, &err);
    if (r < 0)
        fprintf(stderr, "anyvisor-agent: %s\n", err.msg);
    if (a.at.machine) {
        (void)reboot(RB_POWER_OFF);
        (void)reboot(RB_AUTOBOOT);
    }
    return r < 0 ? 1 : 0;
}
