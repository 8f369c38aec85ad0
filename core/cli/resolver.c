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
#include "cli/nics.h"

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

static bool find(const struct container *c, uint32_t *ret)
{
    cleanup_free char *text = NULL;
    struct oci_spec *spec = NULL;
    const char *file;
    bool found = false;

    if (container_spec(c, &spec, NULL) == 0 && (file = mounted_file(spec)) &&
        path_read(AT_FDCWD, file, RESOLV_CONF_MAX, &text, NULL, NULL) == 0)
        found = net_resolver_find(text, ret);
    oci_spec_free(spec);
    return found;
}

static int hand_over(const struct cli *cli, const struct container *c, int *fd, struct err *err)
{
    cleanup_fd int sock = container_connect(cli, c, err);
    int r;

    if (sock < 0 || (r = ipc_send(sock, IPC_RESOLVER, SEQ_RESOLVER, NULL, fd, 1, err)) < 0)
        return sock < 0 ? sock : r;
    return ipc_wait(sock, SEQ_RESOLVER, deadline_in_ms(CLI_REQUEST_MS), NULL, err);
}

void network_resolver(const struct cli *cli, const struct container *c, struct net_ns *ns)
{
    struct err err = ERR_INIT;
    cleanup_fd int fd = -1;
    uint32_t address;

    if (find(c, &address) &&
        (net_resolver_open(ns, address, &fd, &err) < 0 || hand_over(cli, c, &fd, &err) < 0))
        log_warn("the guest does not reach the name server of its network: %s, ignoring", err.msg);
}
