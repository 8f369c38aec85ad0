/* SPDX-License-Identifier: Apache-2.0 */
/* A VM from vm_create to vm_destroy, and found again by vm_reopen. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cgroup.h"
#include "common/file.h"
#include "common/util.h"
#include "fake.h"
#include "vmm.h"

#define DESTROY_GRACE_MS 2000 /* fake-vmm takes its guest down within some ms */

void fake_vm_close(void *p)
{
    struct vm *vm = p;

    if (!vm)
        return;
    child_done(&vm->child);
    if (vm->channel >= 0)
        close(vm->channel);
    if (vm->lifeline >= 0)
        close(vm->lifeline);
    if (vm->epoll_fd >= 0)
        close(vm->epoll_fd);
    free(vm);
}

static struct vm *vm_new(struct instance *in, struct hvp_error *err)
{
    struct vm *vm = calloc(1, sizeof(*vm));

    if (!vm) {
        hvp_fail(err, ENOMEM, "out of memory for a VM");
        return NULL;
    }
    vm->inst = in;
    vm->child = (struct child)CHILD_INIT;
    vm->channel = vm->lifeline = -1;
    vm->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (vm->epoll_fd < 0) {
        hvp_fail(err, errno, "make the event descriptor: %m");
        fake_vm_close(vm);
        return NULL;
    }
    return vm;
}

static int watch_process(struct vm *vm, struct hvp_error *err)
{
    struct epoll_event e = {.events = EPOLLIN};

    if (epoll_ctl(vm->epoll_fd, EPOLL_CTL_ADD, vm->child.pidfd, &e) < 0)
        return hvp_fail(err, errno, "watch the VM's process: %m");
    return 0;
}

/* True when mounts made here stay here: core gives each monitor such a namespace. */
static bool mounts_stay_here(void)
{
    cleanup_free char *text = NULL;
    bool shared = false;
    size_t len;

    if (file_read_alloc("/proc/self/mountinfo", 1 << 20, &text, &len) < 0)
        return false;
    /* "36 35 98:0 / / rw,noatime shared:1 - ext4 ..." */
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        char at[8] = "";

        *end = '\0';
        if (sscanf(line, "%*s %*s %*s %*s %7s", at) == 1 && strcmp(at, "/") == 0)
            shared = strstr(line, " shared:") != NULL;
    }
    return !shared;
}

/*
 * What core mounts below the share later must appear in the guest's mount namespace too, as it
 * would over 9p: the directory becomes a shared mount, and fake-vmm keeps its copy as a slave.
 */
static int take_share(struct vm *vm, const struct hvp_share *s, struct hvp_error *err)
{
    if (strlen(s->dir) + sizeof("dir:") > sizeof(vm->share_dir) || strlen(s->d.tag) > HVP_TAG_MAX)
        return hvp_fail(err, ENAMETOOLONG, "share '%.40s': its path or tag is too long", s->d.tag);
    if (s->n_options > 0)
        return hvp_fail(err, EINVAL, "share '%.40s': unknown option '%.100s'", s->d.tag,
                        s->options[0].key);
    snprintf(vm->share_tag, sizeof(vm->share_tag), "%s", s->d.tag);
    snprintf(vm->share_dir, sizeof(vm->share_dir), "%s", s->dir);
    if (!mounts_stay_here() || mount(NULL, s->dir, NULL, MS_SHARED, NULL) == 0)
        return 0;
    /* EINVAL: no mount point yet. */
    if (errno != EINVAL || mount(s->dir, s->dir, NULL, MS_BIND | MS_REC, NULL) < 0 ||
        mount(NULL, s->dir, NULL, MS_SHARED, NULL) < 0)
        return hvp_fail(err, errno, "make '%.300s' a shared mount: %m", s->dir);
    return 0;
}

int fake_vm_words(void *inst, const struct hvp_vm_spec *spec, struct hvp_error *err)
{
    (void)inst;
    if (spec->n_options > 0)
        return hvp_fail(err, EINVAL, "unknown option '%.100s'", spec->options[0].key);
    return 0;
}

/* Devices are a frozen head plus a struct of their kind; refuse by name what cannot be done. */
static int take_devices(struct vm *vm, const struct hvp_vm_spec *spec, struct hvp_error *err)
{
    for (size_t i = 0; i < spec->n_devices; i++) {
        const struct hvp_device *d = spec->devices[i];

        if (d->kind != HVP_DEV_SHARE || vm->share_dir[0])
            return hvp_fail(err, ENOTSUP, "device '%.40s': this back-end has one share, no more",
                            d->tag);
        if (take_share(vm, (const struct hvp_share *)d, err) < 0)
            return err->code;
    }
    return fake_vm_words(NULL, spec, err);
}

static int know_cgroup(struct vm *vm)
{
    if (fake_cgroup_path(vm->child.pid, vm->child.uuid, vm->cgroup, sizeof(vm->cgroup)) < 0)
        vm->cgroup[0] = '\0';
    return 0;
}

/* Processes are only ever started by core: it knows the cgroup and what must not be inherited. */
static int spawn_vmm(struct vm *vm, const struct hvp_vm_spec *spec, int channel, int lifeline,
                     int console, struct hvp_error *err)
{
    const struct hvp_host *host = vm->inst->host;
    char words[4096]; /* the log's name tells in a list of processes whose they are */
    const char *const argv[] = {vm->inst->vmm, spec->uuid, vm->inst->agent, words, NULL};
    struct hvp_fd_map fds[] = {
        {channel, VMM_FD_CHANNEL}, {lifeline, VMM_FD_LIFELINE}, {console, 1}, {console, 2}};
    /* No death signal: when core dies the lifeline closes, and fake-vmm ends its guest first. */
    const struct hvp_spawn what = {
        .struct_size = sizeof(what), .argv = argv, .fds = fds, .n_fds = console >= 0 ? 4 : 2};
    int32_t pid;
    int pidfd;

    if (snprintf(words, sizeof(words), "%s fake.console=%s", spec->cmdline, spec->console_log) >=
        (int)sizeof(words))
        return hvp_fail(err, E2BIG, "the kernel's arguments are too long");
    if (!host->spawn)
        return hvp_fail(err, ENOSYS, "this core cannot start programs");
    if (host->spawn(host->cookie, &what, &pid, &pidfd, err) < 0)
        return err->code;
    if (child_adopt(&vm->child, pid, pidfd, spec->uuid, err) < 0)
        return err->code;
    return know_cgroup(vm);
}

/* Everything that could fail is tried before the VM is handed out: on failure nothing is left. */
static int build(struct vm *vm, const struct hvp_vm_spec *spec, struct hvp_error *err)
{
    cleanup_close int console = -1, agent_end = -1, vmm_end = -1;
    int pair[2], line[2];

    if (take_devices(vm, spec, err) < 0 ||
        (spec->console_log[0] && file_open_log(spec->console_log, &console, err) < 0))
        return err->code;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return hvp_fail(err, errno, "make the agent's channel: %m");
    vm->channel = pair[0];
    agent_end = pair[1];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line) < 0)
        return hvp_fail(err, errno, "make the lifeline: %m");
    vmm_end = line[0];
    vm->lifeline = line[1];
    if (spawn_vmm(vm, spec, agent_end, vmm_end, console, err) < 0 || watch_process(vm, err) < 0)
        return err->code;
    vm->state = HVP_VM_CREATED;
    vm->memory = spec->memory;
    return 0;
}

int fake_vm_create(void *p, const struct hvp_vm_spec *spec, uint32_t timeout_ms, void **ret,
                   struct hvp_error *err)
{
    struct instance *in = p;
    struct hvp_error ignored = {.struct_size = sizeof(ignored)};
    struct vm *vm;

    (void)timeout_ms; /* nothing here waits */
    if (fault_at(&in->fault, in->host, "vm_create", err) < 0)
        return err->code;
    vm = vm_new(in, err);
    if (!vm)
        return err->code;
    if (build(vm, spec, err) < 0) {
        fake_vm_destroy(vm, HVP_NO_TIMEOUT, &ignored);
        fake_vm_close(vm);
        return err->code;
    }
    *ret = vm;
    return 0;
}

int fake_vm_start(void *p, uint32_t timeout_ms, struct hvp_error *err)
{
    struct vm *vm = p;

    (void)timeout_ms;
    if (fault_at(&vm->inst->fault, vm->inst->host, "vm_start", err) < 0)
        return err->code;
    if (vm->state != HVP_VM_CREATED || vm->lifeline < 0 || child_ended(&vm->child))
        return hvp_fail(err, EINVAL, "the VM was started before or is gone");
    if (send(vm->lifeline, "s", 1, MSG_NOSIGNAL) != 1)
        return hvp_fail(err, errno, "start the VM: %m");
    vm->state = HVP_VM_RUNNING;
    return 0;
}

/* The agent is fake-vmm's only child.  What runs in its containers goes on. */
static int signal_agent(const struct vm *vm, int signo, struct hvp_error *err)
{
    char path[64], text[32];
    int pidfd, r;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)vm->child.pid,
             (int)vm->child.pid);
    if (file_read_text(path, text, sizeof(text)) < 0 || atoll(text) <= 0)
        return hvp_fail(err, ESRCH, "find the agent below fake-vmm");
    pidfd = (int)syscall(SYS_pidfd_open, atoll(text), 0);
    if (pidfd < 0)
        return hvp_fail(err, errno, "open the agent's process: %m");
    r = (int)syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0);
    close(pidfd);
    return r < 0 ? hvp_fail(err, errno, "signal the agent: %m") : 0;
}

int fake_vm_pause(void *p, uint32_t timeout_ms, struct hvp_error *err)
{
    struct vm *vm = p;

    (void)timeout_ms;
    if (vm->state != HVP_VM_RUNNING && vm->state != HVP_VM_PAUSED)
        return hvp_fail(err, EINVAL, "the VM does not run");
    if (signal_agent(vm, SIGSTOP, err) < 0)
        return err->code;
    vm->state = HVP_VM_PAUSED;
    return 0;
}

int fake_vm_resume(void *p, uint32_t timeout_ms, struct hvp_error *err)
{
    struct vm *vm = p;

    (void)timeout_ms;
    if (vm->state != HVP_VM_PAUSED)
        return hvp_fail(err, EINVAL, "the VM is not paused");
    if (signal_agent(vm, SIGCONT, err) < 0)
        return err->code;
    vm->state = HVP_VM_RUNNING;
    return 0;
}

/* Note the end of the process; what it means depends on how it ended. */
void fake_look(struct vm *vm)
{
    int status;

    if (vm->state == HVP_VM_STOPPED || vm->state == HVP_VM_CRASHED || !child_ended(&vm->child))
        return;
    status = vm->child.status;
    vm->state = status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == VMM_POWEROFF
                    ? HVP_VM_STOPPED
                    : HVP_VM_CRASHED;
}

int fake_vm_destroy(void *p, uint32_t timeout_ms, struct hvp_error *err)
{
    struct vm *vm = p;
    struct deadline d = deadline_start(NULL, timeout_ms), grace;
    struct pollfd end = {.fd = vm->child.pidfd, .events = POLLIN};
    int r;

    if (fault_at(&vm->inst->fault, vm->inst->host, "vm_destroy", err) < 0)
        return err->code;
    fake_look(vm);
    if (vm->lifeline >= 0)
        close(vm->lifeline);
    vm->lifeline = -1;
    grace = deadline_start(NULL, timeout_ms < DESTROY_GRACE_MS ? timeout_ms : DESTROY_GRACE_MS);
    if (!child_ended(&vm->child))
        deadline_poll(&grace, &end, 1); /* else: SIGKILL */
    if (child_kill(&vm->child, &d, err) < 0)
        return err->code;
    /* After a kill -9 of fake-vmm the guest may still be dying, with files open. */
    r = vm->cgroup[0] ? fake_cgroup_remove(vm->cgroup, deadline_left_ms(&d)) : 0;
    if (r < 0)
        return hvp_fail(err, -r, "remove the guest's cgroup '%.300s': %s", vm->cgroup,
                        strerror(-r));
    if (vm->state != HVP_VM_CRASHED && vm->state != HVP_VM_STOPPED) {
        vm->state = HVP_VM_STOPPED;
        vm->end_told = true; /* what we do ourselves is no event */
        epoll_ctl(vm->epoll_fd, EPOLL_CTL_DEL, vm->child.pidfd, NULL);
    }
    return 0;
}

int fake_vm_state(void *p, uint32_t *state, struct hvp_error *err)
{
    struct vm *vm = p;

    (void)err;
    fake_look(vm);
    *state = vm->state;
    return 0;
}

int fake_vm_ref(void *p, char *buf, size_t len, struct hvp_error *err)
{
    struct vm *vm = p;

    return child_ref(&vm->child, buf, len, err);
}

int fake_vm_reopen(void *p, const char *ref, uint32_t timeout_ms, void **ret, struct hvp_error *err)
{
    struct vm *vm = vm_new(p, err);

    (void)timeout_ms;
    if (!vm)
        return err->code;
    vm->state = HVP_VM_RUNNING;
    if (child_reopen(&vm->child, ref, err) < 0 || know_cgroup(vm) < 0 ||
        watch_process(vm, err) < 0) {
        fake_vm_close(vm);
        return err->code;
    }
    *ret = vm;
    return 0;
}
