/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <unistd.h>
#include "base/cleanup.h"

static const struct net_link *find(const struct net_scan *s, const char *name)
{
    const struct net_link *l = net_scan_find(s, name);

    CHECK(l);
    return l;
}

static void rig_with_macvtap(struct net_ns *ns)
{
    rig_begin(ns);
    if (rig_try("ip link add link eth0 name try0 type macvtap 2>/dev/null && ip link del try0"))
        TEST_SKIP("this kernel has no macvtap");
}

static int way(const char *kind, const char *first, const char *second)
{
    cleanup_call(strv_done) struct strv v = {0};
    struct net_link l = {.name = "x"};

    snprintf(l.kind, sizeof(l.kind), "%s", kind);
    if (first)
        strv_add(&v, first);
    if (second)
        strv_add(&v, second);
    return net_way_of(&l, &v, NULL);
}

TEST(the_first_word_that_an_interface_can_do_counts)
{
    CHECK_INT_EQ(way("veth", NULL, NULL), NET_REDIRECT);
    CHECK_INT_EQ(way("veth", "redirect", "macvtap"), NET_REDIRECT);
    CHECK_INT_EQ(way("veth", "direct", "macvtap"), NET_MACVTAP);
    CHECK_INT_EQ(way("macvtap", "direct", "macvtap"), NET_DIRECT);
    CHECK_INT_EQ(way("macvlan", "macvtap", "redirect"), NET_REDIRECT);
    CHECK_INT_EQ(way("tun", "direct", "macvtap"), -ENOTSUP);
    CHECK_INT_EQ(way("dummy", "bridge:br0", "redirect"), NET_BRIDGE);
    CHECK_INT_EQ(way("tun", "bridge:br0", "redirect"), NET_BRIDGE); /* nobody has it open */
    CHECK_INT_EQ(way("veth", "bridge:br0", "redirect"), NET_REDIRECT);
    CHECK_INT_EQ(way("veth", "bridge:br0", NULL), -ENOTSUP);
}

/* Which queue a frame comes out of is the kernel's choice, by a hash that differs with each boot.
 */
static int receive_of(const int *taps, nfds_t n)
{
    struct pollfd p[2];
    int mark = -1;

    for (nfds_t i = 0; i < n; i++)
        p[i] = (struct pollfd){.fd = taps[i], .events = POLLIN};
    while (mark < 0 && poll(p, n, 5000) > 0)
        for (nfds_t i = 0; i < n && mark < 0; i++)
            if (p[i].revents)
                mark = rig_read(taps[i], sizeof(struct virtio_net_hdr));
    return mark;
}

static void check_passes(const int *taps, size_t n, const char *peer_name)
{
    struct rig_frame f;
    int peer = rig_packet_socket(peer_name);

    rig_make_frame(&f, 21);
    CHECK_INT_EQ(write(taps[0], &f, sizeof(f)), sizeof(f));
    CHECK_INT_EQ(rig_receive(peer, 0), 21);
    rig_make_frame(&f, 22);
    CHECK_INT_EQ(write(peer, f.bytes, RIG_FRAME_LEN), RIG_FRAME_LEN);
    CHECK_INT_EQ(receive_of(taps, n), 22);
    close_fd(&peer);
}

TEST(a_macvtap_of_ours_has_all_that_the_interface_gets)
{
    struct net_ns ns;
    struct net_scan s;
    struct err err = ERR_INIT;
    int fds[2] = {-1, -1};

    rig_with_macvtap(&ns);
    rig_scan(&ns, &s);
    CHECK_OK(net_tap_attach(&ns, find(&s, "eth0"), NET_MACVTAP, 3, "me", 2, fds, &err), err);
    net_scan_done(&s);
    rig_scan(&ns, &s);
    CHECK_INT_EQ(net_scan_tap(&s, "eth0")->nic, 3);
    CHECK(!rig_nic(&s, NET_TAP "3") && !net_scan_free_tap(&s));
    CHECK_OK(net_connect(&ns, find(&s, "eth0"), net_scan_tap(&s, "eth0"), &err), err);
    check_passes(fds, 2, "peer");
    CHECK_INT_EQ(rig_try("tc qdisc show dev eth0 | grep -q ingress"), 1);
    close_fd(&fds[0]);
    close_fd(&fds[1]);
    CHECK_ERR(net_tap_attach(&ns, find(&s, "eth0"), NET_MACVTAP, 3, "me", 1, fds, &err), -EBUSY);
    CHECK_CONTAINS(err.msg, "carried into another VM");
    CHECK_OK(net_disconnect(&ns, &s, "other", &err), err);
    CHECK(if_nametoindex(NET_TAP "3") != 0);
    CHECK_OK(net_disconnect(&ns, &s, "me", &err), err);
    CHECK_INT_EQ(if_nametoindex(NET_TAP "3"), 0);
    net_scan_done(&s);
    rig_end(&ns);
}

TEST(what_came_to_no_vm_is_given_back_by_number_and_owner)
{
    struct net_ns ns;
    struct net_scan s;
    struct err err = ERR_INIT;
    int fd = -1, own = -1;

    rig_with_macvtap(&ns);
    rig_run("ip link add link eth0 name net9 type macvtap mode bridge && ip link set net9 up && "
            "ip link add veth8 type veth peer name peer8");
    rig_scan(&ns, &s);
    CHECK_OK(net_tap_attach(&ns, find(&s, "net9"), NET_DIRECT, 0, "me", 1, &fd, &err), err);
    CHECK_OK(net_tap_attach(&ns, find(&s, "veth8"), NET_MACVTAP, 1, "me", 1, &own, &err), err);
    close_fd(&own);
    CHECK_OK(net_give_back(&ns, NET_NIC_ANY, "other", &err), err);
    CHECK_OK(net_give_back(&ns, 0, "me", &err), err);
    CHECK(if_nametoindex(NET_TAP "1") != 0);
    CHECK_ERR(net_tap_attach(&ns, find(&s, "veth8"), NET_MACVTAP, 1, "me", 1, &own, &err), -EBUSY);
    CHECK_OK(net_give_back(&ns, NET_NIC_ANY, "me", &err), err);
    CHECK_OK(net_tap_attach(&ns, find(&s, "veth8"), NET_MACVTAP, 1, "me", 1, &own, &err), err);
    close_fd(&own);
    close_fd(&fd);
    net_scan_done(&s);
    rig_scan(&ns, &s);
    CHECK_STR_EQ(find(&s, "net9")->alias, "");
    net_scan_done(&s);
    rig_end(&ns);
}

TEST(a_macvtap_of_the_engine_is_opened_and_left_as_it_was)
{
    struct net_ns ns;
    struct net_scan s;
    struct err err = ERR_INIT;
    int fd = -1;

    rig_with_macvtap(&ns);
    rig_run("ip link add link eth0 name net9 type macvtap mode bridge && ip link set net9 up");
    rig_scan(&ns, &s);
    CHECK_OK(net_tap_attach(&ns, find(&s, "net9"), NET_DIRECT, 0, "me", 1, &fd, &err), err);
    net_scan_done(&s);
    rig_scan(&ns, &s);
    CHECK(rig_nic(&s, "net9"));
    CHECK_STR_EQ(net_scan_tap(&s, "net9")->name, "net9");
    CHECK_INT_EQ(net_scan_tap(&s, "net9")->nic, 0);
    CHECK_OK(net_connect(&ns, find(&s, "net9"), net_scan_tap(&s, "net9"), &err), err);
    check_passes(&fd, 1, "peer");
    CHECK_ERR(net_tap_attach(&ns, find(&s, "net9"), NET_DIRECT, 0, "other", 1, &fd, &err), -EBUSY);
    CHECK_OK(net_disconnect(&ns, &s, "other", &err), err);
    CHECK_OK(net_disconnect(&ns, &s, "me", &err), err);
    close_fd(&fd);
    net_scan_done(&s);
    rig_scan(&ns, &s);
    CHECK_INT_EQ(find(&s, "net9")->nic, -1);
    CHECK_STR_EQ(find(&s, "net9")->alias, "");
    net_scan_done(&s);
    rig_end(&ns);
}
