/* SPDX-License-Identifier: Apache-2.0 */
/* A name server that only who is in the namespace reaches: Docker's is on its loopback. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "net/internal.h"

/* A word of the line that begins with "nameserver". */
static bool take_address(const char *line, uint32_t *ret)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr address;
    size_t n;

    if (strncmp(line, "nameserver", 10) != 0 || (line[10] != ' ' && line[10] != '\t'))
        return false;
    line += 10 + strspn(line + 10, " \t");
    n = strcspn(line, " \t\r\n");
    if (n >= sizeof(text))
        return false;
    memcpy(text, line, n);
    text[n] = '\0';
    if (inet_pton(AF_INET, text, &address) != 1)
        return false;
    *ret = ntohl(address.s_addr);
    return *ret >> 24 == IN_LOOPBACKNET;
}

bool net_resolver_find(const char *resolv_conf, uint32_t *ret)
{
    for (const char *line = resolv_conf; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (take_address(line, ret))
            return true;
    }
    return false;
}

struct opening {
    uint32_t address;
    int fd;
};

static int open_it(void *arg, struct err *err)
{
    struct opening *o = arg;
    const struct sockaddr_in server = {.sin_family = AF_INET,
                                       .sin_port = htons(NET_PORT_NAMES),
                                       .sin_addr.s_addr = htonl(o->address)};
    cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&server, sizeof(server)) < 0)
        return err_set(err, errno, "its name server: %m");
    o->fd = steal_fd(&fd);
    return 0;
}

int net_resolver_open(struct net_ns *ns, uint32_t address, int *ret, struct err *err)
{
    struct opening o = {address, -1};
    int r = ns_run(ns->fd, open_it, &o, err);

    if (r < 0)
        return err_in_phase(err, PHASE_NETWORK);
    *ret = o.fd;
    return 0;
}
