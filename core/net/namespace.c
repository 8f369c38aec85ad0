/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include "base/cleanup.h"
#include "net/internal.h"

#define OWN_NS "/proc/self/ns/net"

struct visit {
    int ns;
    int (*fn)(void *arg, struct err *err);
    void *arg;
    struct err *err;
    int r;
};

static void *visit(void *arg)
{
    struct visit *v = arg;

    v->r = setns(v->ns, CLONE_NEWNET) < 0 ? err_set(v->err, errno, "enter it: %m")
                                          : v->fn(v->arg, v->err);
    return NULL;
}

/*
 * What is opened stays in the namespace. It is a thread that goes there, and ends there: root of a
 * user namespace could not come back to the host's network, which is not his.
 */
int ns_run(int ns, int (*fn)(void *arg, struct err *err), void *arg, struct err *err)
{
    struct visit v = {ns, fn, arg, err, 0};
    pthread_t thread;
    int r = pthread_create(&thread, NULL, visit, &v);

    if (r != 0)
        return err_set(err, r, "start a thread: %s", strerror(r));
    pthread_join(thread, NULL);
    return v.r;
}

static int open_socket(void *arg, struct err *err)
{
    return netlink_open(arg, err);
}

int net_ns_open(const char *path, struct net_ns *ret, struct err *err)
{
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct netlink nl = {.fd = -1};
    int r;

    if (fd < 0)
        return err_set_phase(err, PHASE_NETWORK, errno, "open network namespace '%s': %m", path);
    r = ns_run(fd, open_socket, &nl, err);
    if (r < 0) {
        close_fd(&nl.fd);
        err_in_phase(err, PHASE_NETWORK);
        return err_wrap(err, "network namespace '%s'", path);
    }
    ret->nl = nl;
    ret->fd = steal_fd(&fd);
    return 0;
}

void net_ns_close(struct net_ns *ns)
{
    close_fd(&ns->fd);
    close_fd(&ns->nl.fd);
}

int net_ns_same(const char *path, const char *other)
{
    struct stat a, b;

    if (stat(path, &a) < 0 || stat(other ? other : OWN_NS, &b) < 0)
        return -errno;
    return a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}
