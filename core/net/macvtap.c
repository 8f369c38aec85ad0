/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taps that are interfaces in their own right: a macvtap, ours on top of an interface or an
 * engine's. Its other side is a character device, whose numbers only sysfs tells, seen from the
 * namespace. Neither sysfs nor the device's node need a place for it: they are mounts without one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "net/internal.h"

#define DEV_TEXT_MAX 32

const char *const net_way_names[] = {[NET_REDIRECT] = "redirect",
                                     [NET_MACVTAP] = "macvtap",
                                     [NET_DIRECT] = "direct",
                                     [NET_BRIDGE] = "bridge",
                                     NULL};

static bool can(const struct net_link *l, enum net_way way)
{
    /* What stands on another interface would put the macvtap there, beside itself. */
    static const char *const stacked[] = {"macvlan", "macvtap", "ipvlan", "ipvtap", "tun"};

    if (way == NET_DIRECT)
        return strcmp(l->kind, NET_KIND_MACVTAP) == 0;
    /* One with something behind it would go on answering for its addresses itself. */
    if (way == NET_BRIDGE)
        return strcmp(l->kind, "dummy") == 0 ||
               (strcmp(l->kind, NET_KIND_TUN) == 0 && !(l->flags & IFF_RUNNING));
    for (size_t i = 0; way == NET_MACVTAP && i < ARRAY_SIZE(stacked); i++)
        if (strcmp(l->kind, stacked[i]) == 0)
            return false;
    return true;
}

static bool is_way(const char *word, int way)
{
    size_t n = strlen(net_way_names[way]);

    return strncmp(word, net_way_names[way], n) == 0 && word[n] == (way == NET_BRIDGE ? ':' : '\0');
}

int net_way_of(const struct net_link *link, const struct strv *words, struct err *err)
{
    for (size_t i = 0; i < words->n; i++)
        for (int way = NET_REDIRECT; net_way_names[way]; way++)
            if (is_way(words->v[i], way) && can(link, (enum net_way)way))
                return way;
    if (words->n == 0) /* of a VM from before there was a choice */
        return NET_REDIRECT;
    return err_set_phase(err, PHASE_NETWORK, ENOTSUP,
                         "network interface '%s' (%s) can be attached in none of the ways that "
                         "network.attach lists: add 'redirect'",
                         link->name, *link->kind ? link->kind : "unknown kind");
}

static int put_macvtap(struct net_ns *ns, const struct net_link *on, const char *name,
                       unsigned queues, struct err *err)
{
    struct netlink_msg m;
    size_t info, data;

    netlink_begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));
    netlink_put_str(&m, IFLA_IFNAME, name);
    netlink_put_u32(&m, IFLA_LINK, on->index);
    netlink_put_u32(&m, IFLA_NUM_TX_QUEUES, queues);
    netlink_put_u32(&m, IFLA_NUM_RX_QUEUES, queues);
    info = netlink_nest(&m, IFLA_LINKINFO);
    netlink_put_str(&m, IFLA_INFO_KIND, NET_KIND_MACVTAP);
    data = netlink_nest(&m, IFLA_INFO_DATA);
    netlink_put_u32(&m, IFLA_MACVLAN_MODE, MACVLAN_MODE_PASSTHRU);
    netlink_nest_end(&m, data);
    netlink_nest_end(&m, info);
    return netlink_ask(&ns->nl, &m, err);
}

static uint32_t index_of(struct net_ns *ns, const char *name)
{
    struct net_scan s = {0};
    uint32_t index = 0;

    if (net_scan(ns, &s, NULL) == 0 && net_scan_find(&s, name))
        index = net_scan_find(&s, name)->index;
    net_scan_done(&s);
    return index;
}

static int make_macvtap(struct net_ns *ns, const struct net_link *on, const char *name,
                        const char *owner, unsigned queues, struct err *err)
{
    cleanup_free char *alias = xasprintf("%s %s", on->name, owner);
    int r = put_macvtap(ns, on, name, queues, err);
    uint32_t index;

    if (r == -EEXIST)
        return err_set(err, EBUSY, NET_OCCUPIED, name);
    if (r == -EOPNOTSUPP)
        return err_set(err, ENOTSUP,
                       "the host's kernel has no macvtap: leave it out of network.attach");
    if (r < 0)
        return err_wrap(err, "make a macvtap on '%s'", on->name);
    (void)link_silence_ipv6(ns, name, NULL);
    index = index_of(ns, name);
    if ((r = link_set_alias(ns, index, alias, err)) < 0)
        (void)link_delete(ns, index, NULL); /* without an owner nobody would */
    return r;
}

/* A mount that has no place. */
static int new_mount(const char *type, struct err *err)
{
    cleanup_fd int fs = fsopen(type, FSOPEN_CLOEXEC);
    int fd = -1;

    if (fs >= 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    return fd < 0 ? err_set(err, errno, "mount a %s: %m", type) : fd;
}

struct lookup {
    const char *name;
    dev_t dev;
};

/* class/net/NAME/macvtap/tapN/dev: "MAJOR:MINOR" */
static int read_dev(int dir, dev_t *ret, struct err *err)
{
    cleanup_dir DIR *d = fdopendir(dir);
    cleanup_free char *text = NULL;
    unsigned major, minor;
    struct dirent *e;
    size_t len;
    int r;

    if (!d) {
        close_fd(&dir);
        return err_set(err, errno, "read it: %m");
    }
    while ((e = readdir(d)) && !str_starts_with(e->d_name, "tap"))
        ;
    if (!e)
        return err_set(err, ENOENT, "it has no device");
    cleanup_free char *path = path_join(e->d_name, "dev");
    if ((r = path_read(dirfd(d), path, DEV_TEXT_MAX, &text, &len, err)) < 0)
        return r;
    if (sscanf(text, "%u:%u", &major, &minor) != 2)
        return err_set(err, EPROTO, "'%s' is no device number", text);
    *ret = makedev(major, minor);
    return 0;
}

static int look_up(void *arg, struct err *err)
{
    struct lookup *l = arg;
    cleanup_free char *path = xasprintf("class/net/%s/" NET_KIND_MACVTAP, l->name);
    cleanup_fd int sysfs = new_mount("sysfs", err);
    int dir;

    if (sysfs < 0)
        return sysfs;
    dir = openat(sysfs, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir < 0 ? err_set(err, errno, "open '%s': %m", path) : read_dev(dir, &l->dev, err);
}

/* Each descriptor is a queue. */
static int open_queues(dev_t dev, unsigned queues, int *fds, struct err *err)
{
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    cleanup_fd int tmp = new_mount("tmpfs", err);

    if (tmp < 0)
        return tmp;
    if (mknodat(tmp, "tap", S_IFCHR | 0600, dev) < 0)
        return err_set(err, errno, "make a node for it: %m");
    if (queues > 1)
        ifr.ifr_flags |= IFF_MULTI_QUEUE;
    for (unsigned i = 0; i < queues; i++) {
        fds[i] = openat(tmp, "tap", O_RDWR | O_CLOEXEC);
        if (fds[i] < 0 || ioctl(fds[i], TUNSETIFF, &ifr) < 0)
            return errno == EBUSY ? err_set(err, EBUSY, "another VM has it")
                                  : err_set(err, errno, "open its device: %m");
    }
    return 0;
}

static int open_macvtap(struct net_ns *ns, const char *name, unsigned queues, int *ret_fds,
                        struct err *err)
{
    int fds[NET_QUEUES_MAX] = {-1, -1, -1, -1, -1, -1, -1, -1};
    struct lookup l = {.name = name};
    int r = ns_run(ns->fd, look_up, &l, err);

    if (r == 0)
        r = open_queues(l.dev, queues, fds, err);
    for (unsigned i = 0; r < 0 && i < queues; i++)
        close_fd(&fds[i]);
    if (r == 0)
        memcpy(ret_fds, fds, queues * sizeof(*fds));
    return r;
}

/* Any number may open it at once: the alias says that one has. */
static int take_engines(struct net_ns *ns, const struct net_link *link, const char *name,
                        const char *owner, unsigned queues, int *ret_fds, struct err *err)
{
    cleanup_free char *alias = xasprintf("%s %s", name, owner);
    int r;

    if (link->nic >= 0)
        return err_set(err, EBUSY, NET_OCCUPIED, name);
    if ((r = open_macvtap(ns, link->name, queues, ret_fds, err)) < 0 ||
        (r = link_set_alias(ns, link->index, alias, err)) == 0)
        return r;
    for (unsigned i = 0; i < queues; i++)
        close_fd(&ret_fds[i]);
    return r;
}

static int take_own(struct net_ns *ns, const struct net_link *link, const char *name,
                    const char *owner, unsigned queues, int *ret_fds, struct err *err)
{
    int r = make_macvtap(ns, link, name, owner, queues, err);

    if (r < 0)
        return r;
    if ((r = open_macvtap(ns, name, queues, ret_fds, err)) < 0)
        (void)link_delete(ns, index_of(ns, name), NULL);
    return r;
}

int net_tap_attach(struct net_ns *ns, const struct net_link *link, enum net_way way,
                   unsigned number, const char *owner, unsigned queues, int *ret_fds,
                   struct err *err)
{
    cleanup_free char *name = xasprintf(NET_TAP "%u", number);
    unsigned n = MIN(MAX(queues, 1u), (unsigned)NET_QUEUES_MAX);
    int r = (way == NET_DIRECT ? take_engines : take_own)(ns, link, name, owner, n, ret_fds, err);

    if (r == 0)
        return 0;
    err_in_phase(err, PHASE_NETWORK);
    return err_wrap(err, "attach to network interface '%s'", link->name);
}
