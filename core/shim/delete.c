/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `delete`, after a task's shim has died or as the last step of an ordinary end: removes the
 * container with its VM and its mount, and prints how the task counts as ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
#include "shim.pb-c.h"
#include "shim/message.h"
#include "shim/shim.h"

static int run_delete(const struct shim_args *a, const struct settings *o, struct err *err)
{
    cleanup_free char *cli = NULL;
    struct strv argv = {0};
    const struct proc_fd_map fds[] = {{STDERR_FILENO, STDERR_FILENO}};
    struct proc_spawn how = {.fds = fds, .n_fds = ARRAY_SIZE(fds), .cwd = "/", .null_stdio = 1};
    cleanup_fd int pidfd = -1;
    int status = 0, r = shim_cli_path(&cli, err);
    pid_t pid;

    if (r < 0)
        return r;
    settings_command(o, cli, NULL, a->debug, &argv);
    strv_add(&argv, "delete");
    strv_add(&argv, "--force");
    strv_add(&argv, a->id);
    how.path = cli;
    how.argv = (const char *const *)argv.v;
    r = proc_spawn(&how, &pid, &pidfd, err);
    strv_done(&argv);
    if (r < 0 || (r = proc_reap(pidfd, &status, err)) < 0)
        return r;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(err, EIO, "container '%s' could not be deleted", a->id);
    return 0;
}

static uint32_t pid_of(const char *bundle)
{
    cleanup_free char *path = path_join(bundle, SHIM_INIT_PID);
    cleanup_free char *text = NULL;
    uint64_t pid;
    size_t len;

    if (path_read(AT_FDCWD, path, 32, &text, &len, NULL) < 0 ||
        str_to_u64(text, 1, INT_MAX, &pid) < 0)
        return 0;
    return (uint32_t)pid;
}

static int print(const char *bundle, struct err *err)
{
    Pb__DeleteResponse response = PB__DELETE_RESPONSE__INIT;
    Pb__Timestamp at = PB__TIMESTAMP__INIT;
    struct timespec now;
    struct packed p;
    int r;

    clock_gettime(CLOCK_REALTIME, &now);
    at.seconds = now.tv_sec;
    at.nanos = (int32_t)now.tv_nsec;
    response.pid = pid_of(bundle);
    response.exit_status = 128 + SIGKILL;
    response.exited_at = &at;
    p = message_pack(&response.base);
    r = fd_write_all(STDOUT_FILENO, p.data, p.len, err);
    free(p.data);
    return r;
}

int shim_delete(const struct shim_args *a, struct err *err)
{
    const char *bundle = a->bundle && *a->bundle ? a->bundle : ".";
    struct settings o;
    int r;

    settings_load(bundle, a->ns, &o);
    r = run_delete(a, &o, err);
    settings_done(&o);
    if (r == 0)
        r = rootfs_unmount(bundle, err);
    return r < 0 ? r : print(bundle, err);
}
