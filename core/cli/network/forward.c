/* SPDX-License-Identifier: Apache-2.0 */
/* kubectl port-forward, for which engines connect to the loopback of the pod's namespace. */
#include "base/cleanup.h"
#include "base/timing.h"
#include "cli/network/nics.h"

#define SEQ_FORWARD 1

static int forward(const struct cli *cli, const struct container *c, int fds[2], struct err *err)
{
    cleanup_call(net_ns_close) struct net_ns ns = NET_NS_INIT;
    cleanup_free char *path = network_ns_of(c->state.proxy.pid);
    cleanup_fd int sock = -1;
    int r;

    if ((r = net_ns_open(path, &ns, err)) < 0 || (r = net_forward_open(&ns, fds, err)) < 0 ||
        (r = sock = container_connect(cli, c, err)) < 0 ||
        (r = ipc_send(sock, IPC_FORWARD, SEQ_FORWARD, NULL, fds, 2, err)) < 0)
        return r;
    return ipc_wait(sock, SEQ_FORWARD, deadline_in_ms(CLI_REQUEST_MS), NULL, err);
}

void network_forward(const struct cli *cli, const struct container *c)
{
    struct err err = ERR_INIT;
    int fds[2] = {-1, -1};

    if (forward(cli, c, fds, &err) < 0)
        log_info("%s, ignoring", err.msg);
    close_fd(&fds[0]);
    close_fd(&fds[1]);
}
