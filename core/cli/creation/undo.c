/* SPDX-License-Identifier: Apache-2.0 */
/* What a creation that has failed has made goes again. */
#include <signal.h>
#include <sys/pidfd.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/timing.h"
#include "cli/creation/creation.h"

#define UNDO_MS 20000

/* A child of ours, or a monitor of the pool: it gets until the deadline to go by itself. */
static void end_child(struct child *child, uint64_t deadline)
{
    int status;

    if (child->pid <= 0)
        return;
    if (proc_wait_gone(child->pidfd, deadline_left_ms(deadline)) < 0)
        (void)pidfd_send_signal(child->pidfd, SIGKILL, NULL, 0);
    (void)proc_reap(child->pidfd, &status, NULL);
    child->pid = 0;
}

void creation_end_child(struct child *child)
{
    end_child(child, deadline_in_ms(UNDO_MS));
}

/* The sandbox lives on: what the container used in it must be free before its id and files are. */
static void undo_in_sandbox(const struct creation *c)
{
    struct ipc_target target = {.all = 1};
    const struct container self = {.state = c->state};
    struct err ignored = ERR_INIT;

    (void)container_request(c->cli, &self, IPC_DELETE, &target, UNDO_MS, NULL, &ignored);
}

/*
 * Reverse order: closing the socket lets the monitor undo container and VM, and its end is the sign
 * that the VM is gone. Whatever cannot be undone here is in the state directory for gc.
 */
void creation_undo(struct creation *c)
{
    struct container left = {.dir = {-1, NULL}};
    struct err err = ERR_INIT;

    fd_release(&c->reserve);
    close_fd(&c->proxy_sock);
    close_fd(&c->proxy_end);
    close_fd(&c->sock);
    if (c->member && c->made_dir)
        undo_in_sandbox(c);
    host_cgroups_release(c);
    end_child(&c->monitor, deadline_in_ms(UNDO_MS));
    end_child(&c->proxy, 0);
    if (c->wrote_pid_file)
        (void)unlink(c->pid_file);
    if (!c->made_dir)
        return;
    left.dir = c->dir;
    left.state = c->state;
    c->dir = (struct state_dir){-1, NULL};
    c->state = (struct state){0};
    if (container_clean(c->cli, &left, c->id, false, &err) < 0)
        log_warn("undo of a failed create: %s, ignoring ('anyvisor gc' tries again)", err.msg);
    container_close(&left);
}
