/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.h - the sandbox's network namespace on the host: what is in it, and the taps that carry it
 * into the guest. For the CLI, which has the right to change it; the monitor never enters it.
 *
 * All that has to be remembered is in the namespace itself: a tap of ours is known by its name, and
 * what it carries by its alias; a tap of the engine's that the VM has taken by an alias that is
 * such a name. A tap dies with its last descriptor, which QEMU holds, or with a namespace that ends
 * with the VM (TUNSETPERSIST, monitor/network.c); a macvtap has to be
 * removed, by its owner, who is the second word of the alias.
 */
#ifndef NET_NET_H
#define NET_NET_H
#include <stdbool.h>
#include "base/netlink.h"
#include "base/str.h"
#include "proto/network.h"

#define NET_TAP "avtap" /* and the number of the NIC */
#define NET_NICS_MAX 16
#define NET_QUEUES_MAX 8
#define NET_OWNER_MAX 32
#define NET_PORT_MAX 64 /* of Neutron's id of a port */

/* A namespace to which requests can be made, without being in it. */
struct net_ns {
    int fd; /* of the namespace */
    struct netlink nl;
};
#define NET_NS_INIT                                                                                \
    {                                                                                              \
        .fd = -1, .nl = {.fd = -1 }                                                                \
    }
int net_ns_open(const char *path, struct net_ns *ret, struct err *err);
void net_ns_close(struct net_ns *ns);
/* The caller's own when path is NULL: 1 they are the same, 0 not, -errno one cannot be looked at.
 */
int net_ns_same(const char *path, const char *other);

/* An interface of the namespace. */
struct net_link {
    uint32_t index, master; /* master: 0 = none */
    uint32_t flags, mtu, txqlen;
    uint16_t type; /* ARPHRD_* */
    bool no_ipv6;
    char name[NET_NAME_MAX + 1], kind[16], alias[NET_NAME_MAX + 1];
    char owner[NET_OWNER_MAX + 1]; /* "" = not known */
    uint8_t mac[6];
    bool ours; /* made by us for a NIC */
    bool left; /* nobody has its other end (any more) */
    int nic;   /* number of the NIC whose other end it is; -1 = none */
};

struct net_scan {
    struct net_link *links; /* all of them */
    size_t n_links;
    struct msg_network network; /* what a guest can be given; nics[].device is not set */
    struct strv left_out;       /* sentences: what cannot be, and why */
};
int net_scan(struct net_ns *ns, struct net_scan *ret, struct err *err);
void net_scan_done(struct net_scan *s);
const struct net_link *net_scan_find(const struct net_scan *s, const char *name);
/* The tap that carries this interface, or one that could (again); NULL = none. */
struct net_link *net_scan_tap(const struct net_scan *s, const char *carried);
struct net_link *net_scan_free_tap(const struct net_scan *s);
bool net_scan_is_free(const struct net_scan *s, const struct net_link *tap);
bool net_scan_carries(const struct net_scan *s, const struct net_link *tap);

/* Whether a NIC shall stand for it: some kernels have idle tunnels in each new namespace, and a
 * bridge's ports speak through it. */
bool net_link_usable(const struct net_link *link);

/* How a NIC comes to an interface. */
enum net_way {
    NET_REDIRECT, /* a tap of ours and traffic control */
    NET_MACVTAP,  /* a macvtap of ours on top of it, which takes all that it gets */
    NET_DIRECT,   /* it is a tap itself, which the VM opens */
    NET_BRIDGE, /* a tap of ours at a bridge of the host's; the interface only says MAC and the like
                 */
};
extern const char *const net_way_names[]; /* by enum net_way, NULL at the end */
/* The bridge of the word "bridge:NAME" or "bridge:NAME PORT", and PORT or ""; false: there is none.
 */
bool net_bridge_of(const struct strv *words, char ret_name[NET_NAME_MAX + 1],
                   char ret_port[NET_PORT_MAX + 1]);
/* The first of these words that the interface can do, none at all means redirect; -ENOTSUP. */
int net_way_of(const struct net_link *link, const struct strv *words, struct err *err);

/* A new tap with that many queues, as many descriptors. Nothing is left of it on failure. */
int net_tap_make(struct net_ns *ns, unsigned number, unsigned queues, int *ret_fds,
                 struct err *err);

/* Those of a VM that has ended with its namespace (TUNSETPERSIST), which somebody holds. */
int net_taps_left(struct net_ns *ns, struct err *err);

/* All taps of ours into another namespace, whose path is given; the VM that has them sees nothing
 * of it. -EBUSY: that one is carried into another VM. */
int net_taps_move(struct net_ns *from, const char *to, struct err *err);

/* The same in one of the other ways, for an interface that nothing carries. */
int net_tap_attach(struct net_ns *ns, const struct net_link *link, enum net_way way,
                   unsigned number, const char *owner, unsigned queues, int *ret_fds,
                   struct err *err);

/* There is none of that name, or one that the kernel does not forward for. */
bool net_is_foreign_bridge(const char *name);
/* What the tap of that NIC is called in the caller's namespace. */
void net_bridge_tap(const char *owner, unsigned number, char ret_name[NET_NAME_MAX + 1]);
/*
 * NET_BRIDGE: the tap is a port of the bridge then, unless that is not the kernel's own
 * (*ret_foreign) and the caller has to make it one.
 */
int net_bridge_attach(struct net_ns *ns, const struct net_link *link, const char *bridge,
                      unsigned number, const char *owner, unsigned queues, int *ret_fds,
                      bool *ret_foreign, struct err *err);

/*
 * An interface of the caller's namespace, behind which is a NIC that the VMM has made, takes the
 * place of a tap of ours. -EPERM: a VMM does not make such ones, or the host uses it.
 */
int net_tap_adopt(struct net_ns *ns, unsigned number, const char *name, struct err *err);

/*
 * Let the tap carry the interface: every frame that the interface gets goes to the tap and
 * the other way round. Made anew where it was made before.
 */
int net_connect(struct net_ns *ns, const struct net_link *link, struct net_link *tap,
                struct err *err);
/*
 * The NIC of that number, or all that this owner has attached, have not come to a VM: a macvtap of
 * ours goes, one of the engine's is free again. Taps are gone with their descriptors.
 */
#define NET_NIC_ANY (-1)
int net_give_back(struct net_ns *ns, int number, const char *owner, struct err *err);

/*
 * What connects to TCP ports of the namespace's 127.0.0.1 comes to ret[0] from now on, a listening
 * socket, where accepted ones tell the port by getsockname. It ends with ret[1], a link of BPF, and
 * with its last copy. -EPERM, -EINVAL, ...: the kernel cannot, or not for this user.
 */
int net_forward_open(struct net_ns *ns, int ret[2], struct err *err);

/* The first name server of a resolv.conf that is on the loopback; the address in the host's order.
 */
bool net_resolver_find(const char *resolv_conf, uint32_t *ret);
/* A UDP socket of the namespace that is connected to it. */
int net_resolver_open(struct net_ns *ns, uint32_t address, int *ret, struct err *err);

/*
 * What name servers answer to programs of the namespace itself comes to them, and no longer to the
 * taps; for the interfaces that are connected by now. -EPERM, -EINVAL, ...: the kernel cannot, or
 * not for this user.
 */
int net_let_answers_in(struct net_ns *ns, struct err *err);

/* Give the interfaces of a VM that is gone back to the namespace: what another one carries stays.
 */
int net_disconnect(struct net_ns *ns, const struct net_scan *scan, const char *owner,
                   struct err *err);

#endif
