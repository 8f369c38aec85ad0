/* SPDX-License-Identifier: Apache-2.0 */
/* Small changes of one interface. */
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include "net/internal.h"

static struct ifinfomsg *begin(struct netlink_msg *m, uint16_t type, uint32_t index)
{
    struct ifinfomsg *head = netlink_begin(m, type, 0, sizeof(*head));

    head->ifi_index = (int)index;
    return head;
}

int link_set_alias(struct net_ns *ns, uint32_t index, const char *alias, struct err *err)
{
    struct netlink_msg m;

    begin(&m, RTM_NEWLINK, index);
    netlink_put_str(&m, IFLA_IFALIAS, alias);
    return netlink_ask(&ns->nl, &m, err);
}

int link_delete(struct net_ns *ns, uint32_t index, struct err *err)
{
    struct netlink_msg m;

    begin(&m, RTM_DELLINK, index);
    return netlink_ask(&ns->nl, &m, err);
}

int link_silence_ipv6(struct net_ns *ns, const char *name, struct err *err)
{
    const uint8_t none = IN6_ADDR_GEN_MODE_NONE;
    struct netlink_msg m;
    size_t spec, inet6;

    netlink_begin(&m, RTM_NEWLINK, 0, sizeof(struct ifinfomsg));
    netlink_put_str(&m, IFLA_IFNAME, name);
    spec = netlink_nest(&m, IFLA_AF_SPEC);
    inet6 = netlink_nest(&m, AF_INET6);
    netlink_put(&m, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof(none));
    netlink_nest_end(&m, inet6);
    netlink_nest_end(&m, spec);
    return netlink_ask(&ns->nl, &m, err);
}
