/* SPDX-License-Identifier: Apache-2.0 */
/* `-info`: what containerd 2 asks a runtime about itself, features of the runtime included. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/layout.h"
#include "base/proc.h"
#include "shim.pb-c.h"
#include "shim/message.h"
#include "shim/shim.h"

#define NAME "io.containerd.anyvisor.v2"
#define FEATURES_MAX (1u << 20)

static int run_features(int output, struct err *err)
{
    cleanup_free char *cli = NULL;
    const struct proc_fd_map fds[] = {{output, STDOUT_FILENO}, {STDERR_FILENO, STDERR_FILENO}};
    struct proc_spawn how = {.fds = fds, .n_fds = ARRAY_SIZE(fds), .null_stdio = 1};
    cleanup_fd int pidfd = -1;
    int status = 0, r = shim_cli_path(&cli, err);
    pid_t pid;

    if (r < 0)
        return r;
    how.path = cli;
    how.argv = (const char *const[]){cli, "features", NULL};
    if ((r = proc_spawn(&how, &pid, &pidfd, err)) < 0 || (r = proc_reap(pidfd, &status, err)) < 0)
        return r;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(err, EIO, "'%s features' has failed", cli);
    return 0;
}

static int features(char **ret, size_t *ret_len, struct err *err)
{
    cleanup_fd int output = memfd_create("features", MFD_CLOEXEC);
    int r;

    if (output < 0)
        return err_set(err, errno, "memfd_create: %m");
    if ((r = run_features(output, err)) < 0)
        return r;
    if (lseek(output, 0, SEEK_SET) < 0)
        return err_set(err, errno, "read the features: %m");
    return fd_read_all(output, FEATURES_MAX, ret, ret_len, err);
}

int shim_info(struct err *err)
{
    Pb__RuntimeInfo info = PB__RUNTIME_INFO__INIT;
    Pb__RuntimeVersion version = PB__RUNTIME_VERSION__INIT;
    Pb__Any any = PB__ANY__INIT;
    cleanup_free char *json = NULL;
    struct packed p;
    size_t len;
    int r = features(&json, &len, err);

    if (r < 0)
        return r;
    version.version = (char *)layout_version();
    any.type_url = (char *)TYPE_FEATURES;
    any.value.data = (uint8_t *)json;
    any.value.len = len;
    info.name = (char *)NAME;
    info.version = &version;
    info.features = &any;
    p = message_pack(&info.base);
    r = fd_write_all(STDOUT_FILENO, p.data, p.len, err);
    free(p.data);
    return r;
}
