/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/network.h"
#include <errno.h>
#include "test.h"

TEST(addresses_are_parsed_with_and_without_a_prefix)
{
    static const struct {
        const char *text;
        uint32_t family, prefix;
        int last; /* byte */
    } good[] = {
        {"10.0.0.2", 4, 32, 2}, {"10.0.0.2/24", 4, 24, 2}, {"0.0.0.0/0", 4, 0, 0},
        {"fe80::1", 6, 128, 1}, {"fe80::1/64", 6, 64, 1},  {"::/0", 6, 0, 0},
    };
    static const char *const bad[] = {
        "",
        "/24",
        "10.0.0.2/33",
        "10.0.0.2/",
        "10.0.0.2/-1",
        "10.0.0",
        "fe80::1/129",
        "fe80::g",
        "10.0.0.2/8x",
        "eth0",
        "fe80::1%eth0",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};
    struct net_ip ip;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CHECK_INT_EQ(net_ip_parse(good[i].text, &ip), 0);
        CHECK_INT_EQ(ip.family, good[i].family);
        CHECK_INT_EQ(ip.prefix, good[i].prefix);
        CHECK_INT_EQ(ip.bytes[net_ip_len(&ip) - 1], good[i].last);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (net_ip_parse(bad[i], &ip) != -EINVAL)
            TEST_FAIL("'%s' counts as an address", bad[i]);
}

TEST(macs_are_parsed_and_written)
{
    uint8_t mac[6];
    char text[NET_MAC_TEXT];

    CHECK_INT_EQ(net_mac_parse("02:61:76:0a:ff:00", mac), 0);
    net_mac_text(mac, text);
    CHECK_STR_EQ(text, "02:61:76:0a:ff:00");
    CHECK_INT_EQ(net_mac_parse("02:61:76:0a:ff", mac), -EINVAL);
    CHECK_INT_EQ(net_mac_parse("02:61:76:0a:ff:0", mac), -EINVAL);
    CHECK_INT_EQ(net_mac_parse("02:61:76:0a:ff:0g", mac), -EINVAL);
    CHECK_INT_EQ(net_mac_parse("02:61:76:0a:ff.00", mac), -EINVAL);
    CHECK_INT_EQ(net_mac_parse("02:61:76:0a:ff:000", mac), -EINVAL);
}

/* What m becomes on the other side; the encoder writes whatever it is given. */
static int decode(const struct msg_network *m, struct msg_network *ret)
{
    struct wbuf w = {0};
    int r;

    msg_network_put(&w, m);
    CHECK(wbuf_ok(&w));
    r = msg_network_get(wire_over(w.data, w.len), ret);
    wbuf_done(&w);
    return r;
}

static int decode_nic(struct net_nic *nic)
{
    const struct msg_network m = {.nics = nic, .n_nics = 1};
    struct msg_network back;
    int r = decode(&m, &back);

    msg_network_done(&back);
    return r;
}

TEST(a_nic_must_have_a_name_that_an_interface_can_have)
{
    struct net_nic nic = {.name = (char[]){"eth0"}};

    CHECK_INT_EQ(decode_nic(&nic), 0);
    nic.name = NULL;
    CHECK_INT_EQ(decode_nic(&nic), -EPROTO);
    nic.name = (char[]){""};
    CHECK_INT_EQ(decode_nic(&nic), -EPROTO);
    nic.name = (char[]){"0123456789abcdef"};
    CHECK_INT_EQ(decode_nic(&nic), -EPROTO);
    nic.name = (char[]){"../../eth0"};
    CHECK_INT_EQ(decode_nic(&nic), -EPROTO);
    nic.name = (char[]){".."};
    CHECK_INT_EQ(decode_nic(&nic), -EPROTO);
}

TEST(texts_that_are_no_addresses_are_refused)
{
    struct net_address bad = {.ip = (char[]){"nonsense"}};
    struct net_nic nic = {.name = (char[]){"eth0"}, .addresses = &bad, .n_addresses = 1};
    struct net_route route = {.family = 4, .gateway = (char[]){"300.0.0.1"}};
    struct msg_network m = {.routes = &route, .n_routes = 1}, back;

    CHECK_INT_EQ(decode_nic(&nic), -EPROTO);
    nic.n_addresses = 0;
    nic.mac = (char[]){"02-61-76-00-00-00"};
    CHECK_INT_EQ(decode_nic(&nic), -EPROTO);
    CHECK_INT_EQ(decode(&m, &back), -EPROTO);
    route.gateway = NULL;
    route.family = 5;
    CHECK_INT_EQ(decode(&m, &back), -EPROTO);
    route.family = 6;
    CHECK_INT_EQ(decode(&m, &back), 0);
    msg_network_done(&back);
}
