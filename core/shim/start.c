/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `start`, in a new task's bundle: prints the address of the shim that serves it. Tasks of one pod
 * share the shim of its sandbox, told by the annotations of config.json.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/layout.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/sha256.h"
#include "oci/oci.h"
#include "shim/shim.h"

#define SOCKET_DIR "/run/containerd/s"
#define ADDRESS_FILE "address" /* containerd finds us by it after a restart */
#define LISTENER_FD 3

static const char *const group_annotations[] = {
    "io.containerd.runc.v2.group",
    "io.kubernetes.cri.sandbox-id",
};

char *shim_socket_path(const struct shim_args *a, const char *group)
{
    cleanup_free char *name = xasprintf("%s/%s/%s", a->address ? a->address : "", a->ns, group);
    char hex[SHA256_HEX];
    struct sha256 h;

    sha256_init(&h);
    sha256_add(&h, name, strlen(name));
    sha256_hex(&h, hex);
    return xasprintf(SOCKET_DIR "/anyvisor-%.40s", hex);
}

static int own_path(char **ret, struct err *err)
{
    struct layout l;
    int r = layout_find(&l, err);

    if (r < 0)
        return r;
    *ret = steal_ptr(&l.exe);
    layout_done(&l);
    return 0;
}

int shim_cli_path(char **ret, struct err *err)
{
    cleanup_free char *own = NULL;
    int r = own_path(&own, err);

    if (r < 0)
        return r;
    *ret = xasprintf("%.*s/anyvisor", (int)(strrchr(own, '/') - own), own);
    return 0;
}

static int group_of(const struct shim_args *a, char **ret, struct err *err)
{
    struct oci_spec *spec = NULL;
    const char *group = NULL;
    int r = oci_bundle_load(".", &spec, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(group_annotations) && !group; i++)
        group = kvs_get(&spec->annotations, group_annotations[i]);
    r = str_check_id(group ? group : a->id, err);
    if (r == 0)
        *ret = xstrdup(group ? group : a->id);
    oci_spec_free(spec);
    return r < 0 ? err_wrap(err, "the pod that the annotations name") : 0;
}

static int spawn_server(const struct shim_args *a, const char *group, int listener, struct err *err)
{
    cleanup_free char *own = NULL;
    struct strv argv = {0};
    const struct proc_fd_map fds[] = {{listener, LISTENER_FD}};
    struct proc_spawn how = {
        .fds = fds, .n_fds = ARRAY_SIZE(fds), .new_session = 1, .null_stdio = 1};
    pid_t pid;
    int r = own_path(&own, err);

    if (r < 0)
        return r;
    strv_add(&argv, own);
    strv_addf(&argv, "-namespace=%s", a->ns);
    strv_addf(&argv, "-id=%s", group);
    strv_addf(&argv, "-address=%s", a->address ? a->address : "");
    if (a->debug)
        strv_add(&argv, "-debug");
    how.path = own;
    how.argv = (const char *const *)argv.v;
    r = proc_spawn(&how, &pid, NULL, err);
    strv_done(&argv);
    return r;
}

/* Whether a shim answers there; what a dead one has left is removed. */
static int find_server(const char *socket)
{
    cleanup_fd int fd = fd_unix_connect(socket, NULL);

    if (fd < 0)
        (void)unlink(socket);
    return fd >= 0;
}

static int start_server(const struct shim_args *a, const char *group, const char *socket,
                        struct err *err)
{
    cleanup_fd int lock = -1, listener = -1;
    int r;

    if ((r = path_mkdirs(SOCKET_DIR, 0711, err)) < 0)
        return r;
    /* Two members of a pod at once must not become two shims. */
    lock = open(SOCKET_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0 || flock(lock, LOCK_EX) < 0)
        return err_set(err, errno, "lock '%s': %m", SOCKET_DIR);
    if (find_server(socket))
        return 0;
    listener = fd_unix_listen(socket, err);
    return listener < 0 ? listener : spawn_server(a, group, listener, err);
}

int shim_start(const struct shim_args *a, struct err *err)
{
    cleanup_free char *group = NULL;
    cleanup_free char *socket = NULL;
    cleanup_free char *address = NULL;
    int r = group_of(a, &group, err);

    if (r < 0)
        return r;
    socket = shim_socket_path(a, group);
    address = xasprintf("unix://%s", socket);
    if ((r = start_server(a, group, socket, err)) < 0 ||
        (r = path_replace(AT_FDCWD, ADDRESS_FILE, address, strlen(address), 0600, err)) < 0)
        return r;
    printf("%s", address);
    return fflush(stdout) == 0 ? 0 : err_set(err, errno, "write the address: %m");
}
