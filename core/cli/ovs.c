/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ovs.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"
#include "net/net.h"

#define PROGRAM "ovs-vsctl"
#define SAID_MAX 4096

static char *find_program(void)
{
    static const char *const folders[] = {"/usr/bin", "/bin", "/usr/local/bin"};

    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        char *path = path_join(folders[i], PROGRAM);

        if (access(path, X_OK) == 0)
            return path;
        free(path);
    }
    return NULL;
}

static int wait_end(int pidfd, int words, struct err *err)
{
    cleanup_free char *said = NULL;
    size_t len;
    int status, r = fd_read_all(words, SAID_MAX, &said, &len, NULL);

    if (said)
        said[strcspn(said, "\n")] = '\0';
    if ((r = proc_reap(pidfd, &status, err)) < 0)
        return r;
    return status == 0 ? 0 : err_set(err, EIO, PROGRAM ": %s", said && *said ? said : "it failed");
}

/* It limits its time by itself. */
static int run(const struct strv *argv, struct err *err)
{
    cleanup_free char *path = find_program();
    cleanup_fd int in = -1, out = -1, pidfd = -1;
    int ends[2], r;
    pid_t pid;

    if (!path)
        return err_set(err, ENOENT,
                       "the program '" PROGRAM "' is not installed (openvswitch-switch)");
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, errno, "pipe: %m");
    in = ends[0];
    out = ends[1];
    const struct proc_fd_map fds[] = {{out, 2}};
    const struct proc_spawn how = {.path = path,
                                   .argv = (const char *const *)argv->v,
                                   .fds = fds,
                                   .n_fds = ARRAY_SIZE(fds),
                                   .cwd = "/",
                                   .death_signal = SIGKILL,
                                   .null_stdio = 1};
    if ((r = proc_spawn(&how, &pid, &pidfd, err)) < 0)
        return r;
    close_fd(&out);
    return wait_end(pidfd, in, err);
}

static void begin(struct strv *argv)
{
    strv_add(argv, PROGRAM);
    strv_add(argv, "--timeout=10");
}

int ovs_add_port(const char *bridge, const char *tap, const uint8_t mac[6], const char *port,
                 struct err *err)
{
    static const char *const words[] = {"--", "--may-exist", "add-port"};
    cleanup_call(strv_done) struct strv argv = {0};
    int r;

    begin(&argv);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        strv_add(&argv, words[i]);
    strv_add(&argv, bridge);
    strv_add(&argv, tap);
    strv_add(&argv, "--");
    strv_add(&argv, "set");
    strv_add(&argv, "interface");
    strv_add(&argv, tap);
    strv_add(&argv, "external_ids:iface-status=active");
    strv_addf(&argv, "external_ids:attached-mac=\"%02x:%02x:%02x:%02x:%02x:%02x\"", mac[0], mac[1],
              mac[2], mac[3], mac[4], mac[5]);
    if (*port)
        strv_addf(&argv, "external_ids:iface-id=\"%s\"", port);
    r = run(&argv, err);
    if (r == 0)
        return 0;
    err_in_phase(err, PHASE_NETWORK);
    return err_wrap(err, "make '%s' a port of bridge '%s'", tap, bridge);
}

int ovs_remove_ports(const char *owner, struct err *err)
{
    cleanup_call(strv_done) struct strv argv = {0};
    char tap[NET_NAME_MAX + 1];

    begin(&argv);
    for (unsigned i = 0; i < NET_NICS_MAX; i++) {
        net_bridge_tap(owner, i, tap);
        strv_add(&argv, "--");
        strv_add(&argv, "--if-exists");
        strv_add(&argv, "del-port");
        strv_add(&argv, tap);
    }
    return run(&argv, err) < 0 ? err_wrap(err, "remove the VM's ports of Open vSwitch") : 0;
}
