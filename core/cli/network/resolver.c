/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On networks that have names of their own Docker gives a container 127.0.0.11 as its name server,
 * which is on the loopback of the namespace on the host.
 */
#include <fcntl.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/timing.h"
#include "cli/lifecycle.h"
#include "cli/network/nics.h"

#define SEQ_RESOLVER 1
#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLV_CONF_MAX (64u << 10)

/* What the engine has mounted there; NULL: nothing. */
static const char *mounted_file(const struct oci_spec *spec)
{
    for (size_t i = spec->n_mounts; i-- > 0;)
        if (strcmp(spec->mounts[i].destination, RESOLV_CONF) == 0)
            return spec->mounts[i].source;
    return NULL;
}

static bool find(const struct oci_spec *spec, uint32_t *ret)
{
    cleanup_free char *text = NULL;
    const char *file = mounted_file(spec);

    return file && path_read(AT_FDCWD, file, RESOLV_CONF_MAX, &text, NULL, NULL) == 0 &&
           net_resolver_find(text, ret);
}

/* Without it the server knows the names of its own network only. */
static void let_it_ask(struct net_ns *ns)
{
    struct err err = ERR_INIT;

    if (net_let_answers_in(ns, &err) < 0)
        log_info("%s, ignoring", err.msg);
}

static int hand_over(const struct cli *cli, const struct container *c, uint32_t address,
                     struct err *err)
{
    cleanup_call(net_ns_close) struct net_ns ns = NET_NS_INIT;
    cleanup_free char *path = network_ns_of(c->state.proxy.pid);
    cleanup_fd int fd = -1, sock = -1;
    int r;

    if ((r = net_ns_open(path, &ns, err)) < 0 ||
        (r = net_resolver_open(&ns, address, &fd, err)) < 0 ||
        (r = sock = container_connect(cli, c, err)) < 0 ||
        (r = ipc_send(sock, IPC_RESOLVER, SEQ_RESOLVER, NULL, &fd, 1, err)) < 0)
        return r;
    let_it_ask(&ns);
    return ipc_wait(sock, SEQ_RESOLVER, deadline_in_ms(CLI_REQUEST_MS), NULL, err);
}

void network_resolver(const struct cli *cli, const struct container *c, const struct oci_spec *spec)
{
    struct err err = ERR_INIT;
    uint32_t address;

    if (find(spec, &address) && hand_over(cli, c, address, &err) < 0)
        log_warn("the guest does not reach the name server of its network: %s, ignoring", err.msg);
}
