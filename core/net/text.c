/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include "net/internal.h"

static char *ip_of(uint8_t family, const void *bytes, size_t len)
{
    char text[INET6_ADDRSTRLEN];

    if ((family != AF_INET || len != 4) && (family != AF_INET6 || len != 16))
        return NULL;
    return inet_ntop(family, bytes, text, sizeof(text)) ? xstrdup(text) : NULL;
}

char *text_ip(const struct nlattr *a, uint8_t family)
{
    return a ? ip_of(family, netlink_data(a), netlink_len(a)) : NULL;
}

char *text_prefix(const struct nlattr *a, uint8_t family, unsigned prefix)
{
    char *ip = text_ip(a, family), *text = ip ? xasprintf("%s/%u", ip, prefix) : NULL;

    free(ip);
    return text;
}

char *text_via(const struct nlattr *a)
{
    const struct rtvia *via = a ? netlink_data(a) : NULL;
    size_t head = offsetof(struct rtvia, rtvia_addr);

    if (netlink_len(a) <= head)
        return NULL;
    return ip_of((uint8_t)via->rtvia_family, via->rtvia_addr, netlink_len(a) - head);
}

char *text_mac(const struct nlattr *a)
{
    char text[NET_MAC_TEXT];

    if (netlink_len(a) != 6)
        return NULL;
    net_mac_text(netlink_data(a), text);
    return xstrdup(text);
}
