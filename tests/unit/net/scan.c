/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"
#include <errno.h>
#include <linux/rtnetlink.h>

static const struct net_address *address(const struct net_nic *nic, const char *ip)
{
    for (size_t i = 0; i < nic->n_addresses; i++)
        if (strcmp(nic->addresses[i].ip, ip) == 0)
            return &nic->addresses[i];
    TEST_FAIL("'%s' has no address '%s'", nic->name, ip);
}

static const struct net_route *route(const struct net_scan *s, const char *to)
{
    for (size_t i = 0; i < s->network.n_routes; i++) {
        const struct net_route *r = &s->network.routes[i];

        if (r->to ? to && strcmp(r->to, to) == 0 : !to)
            return r;
    }
    TEST_FAIL("there is no route to '%s'", to ? to : "default");
}

TEST(an_interface_is_read_with_mac_mtu_and_addresses)
{
    struct net_ns ns;
    struct net_scan s;
    const struct net_nic *nic;
    const struct net_address *a;

    rig_begin(&ns);
    rig_run("ip link set eth0 mtu 1400 txqlen 77;"
            "ip addr add 10.9.0.2/24 broadcast 10.9.0.255 dev eth0;"
            "ip addr add 10.9.1.2/32 dev eth0 label eth0:1 noprefixroute;"
            "ip addr add fd00::2/64 dev eth0 nodad preferred_lft 100 valid_lft 200");
    rig_scan(&ns, &s);
    nic = rig_nic(&s, "eth0");
    CHECK(nic);
    CHECK_STR_EQ(nic->mac, "0a:00:00:00:00:01");
    CHECK_INT_EQ(nic->mtu, 1400);
    CHECK_INT_EQ(nic->txqlen, 77);
    CHECK_INT_EQ(nic->flags, 0);
    a = address(nic, "10.9.0.2/24");
    CHECK_STR_EQ(a->broadcast, "10.9.0.255");
    CHECK_STR_EQ(a->label, NULL);
    CHECK_U64_EQ(a->valid, UINT32_MAX);
    CHECK_STR_EQ(address(nic, "10.9.1.2/32")->label, "eth0:1");
    CHECK_INT_EQ(address(nic, "10.9.1.2/32")->flags, IFA_F_NOPREFIXROUTE);
    a = address(nic, "fd00::2/64");
    CHECK(a->valid > 100 && a->valid <= 200 && a->preferred <= 100);
    (void)address(nic, "fe80::800:ff:fe00:1/64");
    net_scan_done(&s);
    rig_end(&ns);
}

TEST(routes_are_read_but_for_those_that_addresses_bring)
{
    struct net_ns ns;
    struct net_scan s;
    const struct net_route *r;

    rig_begin(&ns);
    rig_run("ip addr add 10.9.0.2/24 dev eth0; ip addr add fd00::2/64 dev eth0 nodad;"
            "ip route add default via 10.9.0.1 src 10.9.0.2 metric 7 mtu 1300;"
            "ip route add 10.10.0.0/16 via 169.254.1.1 dev eth0 onlink table 100;"
            "ip route add blackhole 10.11.0.0/16;"
            "ip route add 10.12.0.0/16 via inet6 fd00::1 dev eth0;"
            "ip -6 route add fd01::/64 via fd00::1 metric 9;"
            "ip route add 10.13.0.0/16 nexthop via 10.9.0.3 nexthop via 10.9.0.4");
    rig_scan(&ns, &s);
    CHECK_INT_EQ(s.network.n_routes, 5);
    r = route(&s, NULL);
    CHECK_STR_EQ(r->gateway, "10.9.0.1");
    CHECK_STR_EQ(r->source, "10.9.0.2");
    CHECK_STR_EQ(r->nic, "eth0");
    CHECK_INT_EQ(r->metric, 7);
    CHECK_INT_EQ(r->n_metrics, 2);
    CHECK_INT_EQ(r->metrics[0], RTAX_MTU);
    CHECK_INT_EQ(r->metrics[1], 1300);
    r = route(&s, "10.10.0.0/16");
    CHECK(r->onlink && r->table == 100);
    CHECK_INT_EQ(route(&s, "10.11.0.0/16")->type, RTN_BLACKHOLE);
    CHECK_STR_EQ(route(&s, "10.12.0.0/16")->gateway, "fd00::1");
    CHECK_INT_EQ(route(&s, "fd01::/64")->metric, 9);
    CHECK_INT_EQ(s.left_out.n, 1);
    CHECK_CONTAINS(s.left_out.v[0], "route to '10.13.0.0/16' has several next hops");
    net_scan_done(&s);
    rig_end(&ns);
}

TEST(rules_and_permanent_neighbours_are_read)
{
    struct net_ns ns;
    struct net_scan s;
    const struct net_rule *r;

    rig_begin(&ns);
    rig_run("ip addr add 10.9.0.2/24 dev eth0;"
            "ip rule add from 10.9.0.2 iif lo fwmark 5/7 table 100 priority 1000;"
            "ip neigh add 10.9.0.1 lladdr 02:00:00:00:00:09 dev eth0 nud permanent;"
            "ip neigh add 10.9.0.7 lladdr 02:00:00:00:00:07 dev eth0 nud reachable");
    rig_scan(&ns, &s);
    CHECK_INT_EQ(s.network.n_rules, 1);
    r = &s.network.rules[0];
    CHECK_STR_EQ(r->from, "10.9.0.2/32");
    CHECK_STR_EQ(r->in, "lo");
    CHECK(r->table == 100 && r->priority == 1000 && r->mark == 5 && r->mask == 7);
    CHECK_INT_EQ(r->suppress, 0);
    CHECK_INT_EQ(s.network.n_neighbours, 1);
    CHECK_STR_EQ(s.network.neighbours[0].ip, "10.9.0.1");
    CHECK_STR_EQ(s.network.neighbours[0].mac, "02:00:00:00:00:09");
    net_scan_done(&s);
    rig_end(&ns);
}

TEST(what_a_guest_cannot_use_gets_no_nic)
{
    struct net_ns ns;
    struct net_scan s;

    rig_begin(&ns);
    rig_run("ip link add br0 type bridge; ip link set br0 up; ip link set peer master br0;"
            "ip link add down0 type veth peer name down1; ip tuntap add layer3 mode tun;"
            "ip link set layer3 up; ip addr add 10.9.5.1/32 dev lo");
    rig_scan(&ns, &s);
    CHECK(rig_nic(&s, "eth0") && rig_nic(&s, "br0"));
    CHECK(!rig_nic(&s, "peer") && !rig_nic(&s, "down0") && !rig_nic(&s, "layer3"));
    CHECK_INT_EQ(s.left_out.n, 1);
    CHECK_CONTAINS(s.left_out.v[0], "network interface 'layer3' (tun)");
    CHECK(rig_nic(&s, "lo") && rig_nic(&s, "lo")->n_addresses == 1);
    net_scan_done(&s);
    rig_end(&ns);
}

TEST(an_interface_without_ipv6_is_known_as_such)
{
    struct net_ns ns;
    struct net_scan s;

    rig_begin(&ns);
    rig_run("echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6");
    rig_scan(&ns, &s);
    CHECK_INT_EQ(rig_nic(&s, "eth0")->flags, NET_NIC_NO_IPV6);
    net_scan_done(&s);
    rig_end(&ns);
}

TEST(what_was_read_survives_the_wire)
{
    struct net_ns ns;
    struct net_scan s;
    struct msg_network m;
    struct wbuf w = {0};

    rig_begin(&ns);
    rig_run("ip addr add 10.9.0.2/24 dev eth0; ip route add default via 10.9.0.1 mtu 1300");
    rig_scan(&ns, &s);
    msg_network_put(&w, &s.network);
    CHECK(wbuf_ok(&w));
    CHECK_INT_EQ(msg_network_get(wire_over(w.data, w.len), &m), 0);
    CHECK_INT_EQ(m.n_nics, s.network.n_nics);
    CHECK_STR_EQ(m.nics[0].mac, s.network.nics[0].mac);
    CHECK_STR_EQ(m.routes[0].gateway, "10.9.0.1");
    CHECK_INT_EQ(m.routes[0].metrics[1], 1300);
    msg_network_done(&m);
    wbuf_done(&w);
    net_scan_done(&s);
    rig_end(&ns);
}

TEST(a_namespace_that_is_none_is_refused_by_its_path)
{
    struct net_ns ns = NET_NS_INIT;
    struct err err = ERR_INIT;

    CHECK_ERR(net_ns_open("/nowhere", &ns, &err), -ENOENT);
    CHECK_CONTAINS(err.msg, "network namespace '/nowhere'");
    CHECK_INT_EQ(net_ns_same(OWN_NS, NULL), 1);
}
