/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives anyvisor-monitor as the CLI does, without the CLI: one sandbox, one container.
 *   driver LIBEXEC DESCRIPTOR LIBRARY GUEST_DIR ROOTFS WORK [key=value ...] -- COMMAND...
 * stdin, stdout and stderr are the container's; the exit status is that of its proxy.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/mount.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/timing.h"
#include "monitor/ipc.h"
#include "proto/plan.h"

#define ID "driver"
#define TIMEOUT_MS 90000

struct driver {
    const char *libexec, *descriptor, *library, *guest, *rootfs, *work;
    char *state_dir, *run_dir;
    struct kvs config;
    char **command;
    int monitor, proxy_end, proxy_pidfd;
    pid_t proxy;
};

static _Noreturn void die(const char *step, const struct err *err)
{
    fprintf(stderr, "driver: %s: %s%s%s\n", step, err_phase_name(err->phase),
            err->phase ? ": " : "", err->msg);
    exit(125);
}

static int spawn(const char *path, const char *const *argv, int fd, uint64_t unshare_flags,
                 pid_t *ret_pid, int *ret_pidfd)
{
    struct proc_fd_map map = {fd, IPC_FIRST_FD};
    struct proc_spawn how = {
        .path = path,
        .argv = argv,
        .fds = &map,
        .n_fds = 1,
        .unshare_flags = unshare_flags,
        .new_session = 1,
        .null_stdio = 1,
    };
    struct err err = ERR_INIT;

    if (proc_spawn(&how, ret_pid, ret_pidfd, &err) < 0)
        die(path, &err);
    return 0;
}

static void start_monitor(struct driver *d)
{
    cleanup_free char *path = path_join(d->libexec, "anyvisor-monitor");
    const char *argv[] = {path, NULL};
    int pair[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        exit(125);
    spawn(path, argv, pair[1], 0, &pid, NULL);
    close(pair[1]);
    d->monitor = pair[0];
}

static void start_proxy(struct driver *d)
{
    cleanup_free char *path = path_join(d->libexec, "anyvisor-proxy");
    const char *argv[] = {path, ID, NULL};
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        exit(125);
    spawn(path, argv, pair[1], CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS, &d->proxy,
          &d->proxy_pidfd);
    close(pair[1]);
    d->proxy_end = pair[0];
}

static void send_sandbox(struct driver *d)
{
    cleanup_free char *kernel = path_join(d->guest, "vmlinux");
    cleanup_free char *initrd = path_join(d->guest, "initramfs.cpio");
    struct ipc_sandbox s = {
        .id = (char *)ID,
        .uuid = (char *)"0b0e3a5e-2b1c-4d7c-9a54-35f3a2a7a001",
        .state_dir = d->state_dir,
        .run_dir = d->run_dir,
        .descriptor = (char *)"test",
        .descriptor_file = (char *)d->descriptor,
        .library = (char *)d->library,
        .arch = (char *)"x86_64",
        .config = d->config,
        .guest_dir = (char *)d->guest,
        .kernel = kernel,
        .initrd = initrd,
        .cmdline = (char *)"quiet loglevel=4 panic=-1 random.trust_cpu=on",
        .vcpus = 1,
        .memory = 256 << 20,
        .boot_timeout_ms = 60000,
        .log_level = 3,
    };
    struct err err = ERR_INIT;
    struct wbuf w = {0};

    ipc_sandbox_put(&w, &s);
    if (ipc_send(d->monitor, IPC_SANDBOX, 1, &w, NULL, 0, &err) < 0)
        die("send IPC_SANDBOX", &err);
    wbuf_done(&w);
}

static void add_mount(struct plan_container *c, const char *type, const char *dest)
{
    struct plan_mount m = {
        .kind = PLAN_M_FS, .source = xstrdup(type), .dest = xstrdup(dest), .type = xstrdup(type)};

    c->mounts = xreallocarray(c->mounts, c->n_mounts + 1, sizeof(m));
    c->mounts[c->n_mounts++] = m;
}

static void make_plan(struct driver *d, struct wbuf *w)
{
    struct plan_container c = {.id = xstrdup(ID), .rootfs = xstrdup(ID)};

    c.hostname = xstrdup("inside");
    for (int i = 0; i < PLAN_NS_COUNT; i++)
        c.ns[i] = i == PLAN_NS_USER || i == PLAN_NS_NET ? PLAN_NS_VM : PLAN_NS_NEW;
    add_mount(&c, "proc", "/proc");
    add_mount(&c, "tmpfs", "/dev");
    for (char **a = d->command; *a; a++)
        (void)plan_list_add(&c.process.args, *a);
    (void)plan_list_add(&c.process.env, "PATH=/bin:/sbin");
    c.process.cwd = xstrdup("/");
    c.process.umask = UINT32_MAX;
    c.process.flags = PLAN_P_STDIN;
    plan_container_put(w, &c);
    plan_container_done(&c);
}

static void send_create(struct driver *d)
{
    int tree = (int)syscall(SYS_open_tree, AT_FDCWD, d->rootfs,
                            OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    int state = open(d->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fds[] = {d->proxy_end, 0, 1, 2, state, tree};
    struct ipc_mount mount = {.name = (char *)ID};
    struct ipc_create c = {.id = (char *)ID};
    struct wbuf plan = {0}, w = {0};
    struct err err = ERR_INIT;

    make_plan(d, &plan);
    c.plan = plan.data;
    c.plan_len = plan.len;
    c.mounts = &mount;
    c.n_mounts = 1;
    (void)proc_id_of(d->proxy, &c.proxy, NULL);
    ipc_create_put(&w, &c);
    if (ipc_send(d->monitor, IPC_CREATE, 2, &w, fds, ARRAY_SIZE(fds), &err) < 0)
        die("send IPC_CREATE", &err);
    close(tree);
    close(state);
    close(d->proxy_end);
    wbuf_done(&w);
    wbuf_done(&plan);
}

static void call(struct driver *d, const char *name, uint16_t type)
{
    struct ipc_target t = {.id = (char *)ID};
    struct wbuf w = {0};
    struct err err = ERR_INIT;

    ipc_target_put(&w, &t);
    if (ipc_call(d->monitor, type, &w, deadline_in_ms(TIMEOUT_MS), NULL, &err) < 0)
        die(name, &err);
    wbuf_done(&w);
}

static void print_timings(struct driver *d)
{
    struct ipc_reply reply;
    struct ipc_timings t;
    struct err err = ERR_INIT;

    if (ipc_call(d->monitor, IPC_TIMINGS, NULL, deadline_in_ms(TIMEOUT_MS), &reply, &err) < 0)
        die("IPC_TIMINGS", &err);
    if (ipc_timings_get(wire_over(reply.body, reply.body_len), &t) == 0)
        fprintf(
            stderr,
            "driver: ms since begin: plug-in %d vm %d started %d hello %d setup %d created %d\n",
            (int)((t.plugin_loaded - t.begin) / 1000000), (int)((t.vm_created - t.begin) / 1000000),
            (int)((t.vm_started - t.begin) / 1000000), (int)((t.hello - t.begin) / 1000000),
            (int)((t.setup - t.begin) / 1000000), (int)((t.created - t.begin) / 1000000));
    ipc_reply_done(&reply);
}

static void read_args(struct driver *d, int argc, char **argv)
{
    int i;

    if (argc < 9) {
        fprintf(stderr,
                "usage: %s LIBEXEC DESCRIPTOR LIBRARY GUEST_DIR ROOTFS WORK [key=value ...]"
                " -- COMMAND...\n",
                argv[0]);
        exit(125);
    }
    *d = (struct driver){argv[1], argv[2], argv[3], argv[4], argv[5], argv[6]};
    for (i = 7; i < argc && strcmp(argv[i], "--") != 0; i++) {
        char *eq = strchr(argv[i], '=');

        if (!eq)
            exit(125);
        *eq = '\0';
        kvs_add(&d->config, argv[i], eq + 1);
    }
    d->command = argv + i + 1;
    d->state_dir = xasprintf("%s/state/%s", d->work, ID);
    d->run_dir = xasprintf("%s/run", d->work);
}

int main(int argc, char **argv)
{
    struct driver d;
    struct err err = ERR_INIT;
    int status;

    read_args(&d, argc, argv);
    if (path_mkdirs(d.state_dir, 0700, &err) < 0 || path_mkdirs(d.run_dir, 0700, &err) < 0)
        die("mkdir", &err);
    start_monitor(&d);
    start_proxy(&d);
    send_sandbox(&d);
    send_create(&d);
    if (ipc_wait(d.monitor, 2, deadline_in_ms(TIMEOUT_MS), NULL, &err) < 0)
        die("create", &err);
    print_timings(&d);
    call(&d, "commit", IPC_COMMIT);
    if (getenv("DRIVER_DIE"))
        _exit(124);
    call(&d, "start", IPC_START);
    close(0);
    close(1);
    if (proc_reap(d.proxy_pidfd, &status, &err) < 0)
        die("wait for the proxy", &err);
    /* The monitor leaves by itself: EOF on its connection. */
    if (ipc_wait(d.monitor, 99, deadline_in_ms(20000), NULL, &err) != -EPIPE)
        die("the monitor stays", &err);
    kvs_done(&d.config);
    free(d.state_dir);
    free(d.run_dir);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
