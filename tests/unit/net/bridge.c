/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"
#include <errno.h>
#include <net/if.h>
#include <unistd.h>
#include "base/cleanup.h"

#define OWNER "0123456789abcdef"
#define TAP "av01234567-2"

TEST(the_words_name_a_bridge_and_a_port)
{
    cleanup_call(strv_done) struct strv v = {0};
    char name[NET_NAME_MAX + 1], port[NET_PORT_MAX + 1];

    strv_add(&v, "redirect");
    CHECK(!net_bridge_of(&v, name, port));
    strv_add(&v, "bridge:br-int a-b");
    strv_add(&v, "bridge:other");
    CHECK(net_bridge_of(&v, name, port));
    CHECK_STR_EQ(name, "br-int");
    CHECK_STR_EQ(port, "a-b");
    strv_done(&v);
    strv_add(&v, "bridge:br0");
    CHECK(net_bridge_of(&v, name, port));
    CHECK_STR_EQ(port, "");
    net_bridge_tap(OWNER, 2, name);
    CHECK_STR_EQ(name, TAP);
}

TEST(a_tap_at_a_bridge_stands_for_an_interface_without_frames)
{
    struct net_ns ns;
    struct net_scan s;
    struct err err = ERR_INIT;
    struct rig_frame f;
    bool foreign = true;
    int fd = -1, peer;

    rig_begin(&ns);
    if (rig_try("ip link add br0 type bridge 2>/dev/null"))
        TEST_SKIP("this kernel has no bridge");
    rig_run("ip tuntap add d0 mode tap && ip link set br0 up && ip link set d0 mtu 1442 address "
            "02:00:00:00:00:07 up && "
            "ip link set eth0 master br0");
    rig_scan(&ns, &s);
    CHECK_ERR(
        net_bridge_attach(&ns, net_scan_find(&s, "d0"), "br1", 2, OWNER, 1, &fd, &foreign, &err),
        -ENODEV);
    CHECK_CONTAINS(err.msg, "'d0': the host has no bridge 'br1'");
    CHECK(net_is_foreign_bridge("br1") && net_is_foreign_bridge("d0") &&
          !net_is_foreign_bridge("br0"));
    CHECK_OK(
        net_bridge_attach(&ns, net_scan_find(&s, "d0"), "br0", 2, OWNER, 1, &fd, &foreign, &err),
        err);
    CHECK(!foreign);
    net_scan_done(&s);
    rig_scan(&ns, &s);
    CHECK_INT_EQ(net_scan_find(&s, TAP)->master, net_scan_find(&s, "br0")->index);
    CHECK_INT_EQ(net_scan_find(&s, TAP)->mtu, 1442);
    CHECK_INT_EQ(net_scan_tap(&s, "d0")->nic, 2);
    CHECK_OK(net_connect(&ns, net_scan_find(&s, "d0"), net_scan_tap(&s, "d0"), &err), err);
    CHECK_ERR(
        net_bridge_attach(&ns, net_scan_find(&s, "d0"), "br0", 3, OWNER, 1, &fd, &foreign, &err),
        -EBUSY);
    peer = rig_packet_socket("peer");
    rig_make_frame(&f, 23);
    CHECK_INT_EQ(write(fd, &f, sizeof(f)), sizeof(f));
    CHECK_INT_EQ(rig_receive(peer, 0), 23);
    close_fd(&peer);
    close_fd(&fd);
    CHECK_INT_EQ(if_nametoindex(TAP), 0);
    CHECK_OK(net_give_back(&ns, NET_NIC_ANY, OWNER, &err), err);
    net_scan_done(&s);
    rig_scan(&ns, &s);
    CHECK_STR_EQ(net_scan_find(&s, "d0")->alias, "");
    net_scan_done(&s);
    rig_end(&ns);
}
