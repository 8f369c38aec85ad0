/* SPDX-License-Identifier: Apache-2.0 */
/* The tables are the format: never change or reuse a tag, add new ones at the end. */
#include "proto/network.h"
#include "proto/codec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IP_TEXT_MAX (INET6_ADDRSTRLEN + 4)

size_t net_ip_len(const struct net_ip *ip)
{
    return ip->family == 4 ? 4 : 16;
}

int net_ip_parse(const char *text, struct net_ip *ret)
{
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    struct net_ip ip = {.family = memchr(text, ':', n) ? 6 : 4};
    char address[IP_TEXT_MAX], *end;

    if (n >= sizeof(address))
        return -EINVAL;
    memcpy(address, text, n);
    address[n] = '\0';
    if (inet_pton(ip.family == 4 ? AF_INET : AF_INET6, address, ip.bytes) != 1)
        return -EINVAL;
    ip.prefix = 8 * (uint32_t)net_ip_len(&ip);
    if (slash) {
        unsigned long prefix = strtoul(slash + 1, &end, 10);

        if (slash[1] < '0' || slash[1] > '9' || *end || prefix > ip.prefix)
            return -EINVAL;
        ip.prefix = (uint32_t)prefix;
    }
    *ret = ip;
    return 0;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int net_mac_parse(const char *text, uint8_t ret[6])
{
    uint8_t mac[6];

    if (strlen(text) != NET_MAC_TEXT - 1)
        return -EINVAL;
    for (size_t i = 0; i < 6; i++) {
        const char *at = text + 3 * i;

        if (hex(at[0]) < 0 || hex(at[1]) < 0 || at[2] != (i < 5 ? ':' : '\0'))
            return -EINVAL;
        mac[i] = (uint8_t)(hex(at[0]) << 4 | hex(at[1]));
    }
    memcpy(ret, mac, sizeof(mac));
    return 0;
}

void net_mac_text(const uint8_t mac[6], char ret[NET_MAC_TEXT])
{
    snprintf(ret, NET_MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
             mac[4], mac[5]);
}

static bool name_ok(const char *name)
{
    return name && *name && strlen(name) <= NET_NAME_MAX && !strchr(name, '/') &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool name_or_none(const char *name)
{
    return !name || name_ok(name);
}

static bool ip_or_none(const char *text)
{
    struct net_ip ip;

    return !text || net_ip_parse(text, &ip) == 0;
}

static bool mac_or_none(const char *text)
{
    uint8_t mac[6];

    return !text || net_mac_parse(text, mac) == 0;
}

static int address_check(const void *obj)
{
    const struct net_address *a = obj;

    return a->ip && ip_or_none(a->ip) && ip_or_none(a->peer) && ip_or_none(a->broadcast) &&
                   (!a->label || strlen(a->label) <= NET_NAME_MAX)
               ? 0
               : -EPROTO;
}
static const struct codec_field address_fields[] = {
    CODEC_F(1, STR, struct net_address, ip),        CODEC_F(2, STR, struct net_address, peer),
    CODEC_F(3, STR, struct net_address, broadcast), CODEC_F(4, STR, struct net_address, label),
    CODEC_F(5, U32, struct net_address, scope),     CODEC_F(6, U32, struct net_address, flags),
    CODEC_F(7, U32, struct net_address, valid),     CODEC_F(8, U32, struct net_address, preferred),
    CODEC_F(9, U32, struct net_address, metric),
};
static const struct codec address_codec =
    CODEC_OF(struct net_address, address_fields, address_check);

static int nic_check(const void *obj)
{
    const struct net_nic *n = obj;

    return name_ok(n->name) && mac_or_none(n->device) && mac_or_none(n->mac) ? 0 : -EPROTO;
}
static const struct codec_field nic_fields[] = {
    CODEC_F(1, STR, struct net_nic, device),
    CODEC_F(2, STR, struct net_nic, name),
    CODEC_F(3, STR, struct net_nic, mac),
    CODEC_F(4, U32, struct net_nic, mtu),
    CODEC_F(5, U32, struct net_nic, txqlen),
    CODEC_F(6, U32, struct net_nic, flags),
    CODEC_FSUBS(7, struct net_nic, addresses, n_addresses, &address_codec),
};
static const struct codec nic_codec = CODEC_OF(struct net_nic, nic_fields, nic_check);

static bool family_ok(uint32_t family)
{
    return family == 4 || family == 6;
}

static int route_check(const void *obj)
{
    const struct net_route *r = obj;

    return family_ok(r->family) && ip_or_none(r->to) && ip_or_none(r->from) &&
                   ip_or_none(r->gateway) && ip_or_none(r->source) && name_or_none(r->nic) &&
                   r->n_metrics % 2 == 0 && r->n_metrics <= 64 && r->type <= UINT8_MAX &&
                   r->scope <= UINT8_MAX && r->protocol <= UINT8_MAX && r->tos <= UINT8_MAX
               ? 0
               : -EPROTO;
}
static const struct codec_field route_fields[] = {
    CODEC_F(1, U32, struct net_route, family),
    CODEC_F(2, STR, struct net_route, to),
    CODEC_F(3, STR, struct net_route, from),
    CODEC_F(4, STR, struct net_route, gateway),
    CODEC_F(5, STR, struct net_route, source),
    CODEC_F(6, STR, struct net_route, nic),
    CODEC_F(7, U32, struct net_route, table),
    CODEC_F(8, U32, struct net_route, metric),
    CODEC_F(9, U32, struct net_route, scope),
    CODEC_F(10, U32, struct net_route, type),
    CODEC_F(11, U32, struct net_route, protocol),
    CODEC_F(12, U32, struct net_route, tos),
    CODEC_F(13, U32, struct net_route, onlink),
    CODEC_F(14, U32, struct net_route, preference),
    CODEC_FN(15, U32S, struct net_route, metrics, n_metrics),
};
static const struct codec route_codec = CODEC_OF(struct net_route, route_fields, route_check);

static int rule_check(const void *obj)
{
    const struct net_rule *r = obj;

    return family_ok(r->family) && ip_or_none(r->from) && ip_or_none(r->to) &&
                   name_or_none(r->in) && name_or_none(r->out) && r->action <= UINT8_MAX &&
                   r->tos <= UINT8_MAX
               ? 0
               : -EPROTO;
}
static const struct codec_field rule_fields[] = {
    CODEC_F(1, U32, struct net_rule, family),    CODEC_F(2, STR, struct net_rule, from),
    CODEC_F(3, STR, struct net_rule, to),        CODEC_F(4, STR, struct net_rule, in),
    CODEC_F(5, STR, struct net_rule, out),       CODEC_F(6, U32, struct net_rule, priority),
    CODEC_F(7, U32, struct net_rule, table),     CODEC_F(8, U32, struct net_rule, action),
    CODEC_F(9, U32, struct net_rule, tos),       CODEC_F(10, U32, struct net_rule, mark),
    CODEC_F(11, U32, struct net_rule, mask),     CODEC_F(12, U32, struct net_rule, invert),
    CODEC_F(13, U32, struct net_rule, suppress),
};
static const struct codec rule_codec = CODEC_OF(struct net_rule, rule_fields, rule_check);

static int neighbour_check(const void *obj)
{
    const struct net_neighbour *n = obj;

    return n->ip && ip_or_none(n->ip) && n->mac && mac_or_none(n->mac) && name_ok(n->nic) &&
                   n->flags <= UINT8_MAX
               ? 0
               : -EPROTO;
}
static const struct codec_field neighbour_fields[] = {
    CODEC_F(1, STR, struct net_neighbour, ip),
    CODEC_F(2, STR, struct net_neighbour, mac),
    CODEC_F(3, STR, struct net_neighbour, nic),
    CODEC_F(4, U32, struct net_neighbour, flags),
};
static const struct codec neighbour_codec =
    CODEC_OF(struct net_neighbour, neighbour_fields, neighbour_check);

static const struct codec_field network_fields[] = {
    CODEC_FSUBS(1, struct msg_network, nics, n_nics, &nic_codec),
    CODEC_FSUBS(2, struct msg_network, routes, n_routes, &route_codec),
    CODEC_FSUBS(3, struct msg_network, rules, n_rules, &rule_codec),
    CODEC_FSUBS(4, struct msg_network, neighbours, n_neighbours, &neighbour_codec),
    CODEC_F(5, U32, struct msg_network, carriers),
};
static const struct codec network_codec = CODEC_OF(struct msg_network, network_fields, NULL);

void msg_network_put(struct wbuf *w, const struct msg_network *m)
{
    codec_put(w, &network_codec, m);
}

int msg_network_get(struct wire body, struct msg_network *ret)
{
    return codec_get(body, &network_codec, ret);
}

void msg_network_done(struct msg_network *m)
{
    codec_done(&network_codec, m);
}

void net_nic_done(struct net_nic *nic)
{
    codec_done(&nic_codec, nic);
}

void net_route_done(struct net_route *route)
{
    codec_done(&route_codec, route);
}
