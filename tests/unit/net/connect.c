/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <unistd.h>
#include "base/cleanup.h"

static void connect_eth0(struct net_ns *ns, unsigned queues, int *fds)
{
    struct net_scan s;
    struct err err = ERR_INIT;

    CHECK_OK(net_tap_make(ns, 0, queues, fds, &err), err);
    rig_scan(ns, &s);
    CHECK(net_scan_find(&s, "eth0") && net_scan_free_tap(&s));
    CHECK_OK(net_connect(ns, net_scan_find(&s, "eth0"), net_scan_free_tap(&s), &err), err);
    net_scan_done(&s);
}

TEST(frames_pass_between_tap_and_interface_both_ways)
{
    struct net_ns ns;
    struct rig_frame f;
    int tap = -1, peer;

    rig_begin(&ns);
    connect_eth0(&ns, 1, &tap);
    peer = rig_packet_socket("peer");
    rig_make_frame(&f, 17);
    CHECK_INT_EQ(write(tap, &f, sizeof(f)), sizeof(f));
    CHECK_INT_EQ(rig_receive(peer, 0), 17);
    rig_make_frame(&f, 18);
    CHECK_INT_EQ(write(peer, f.bytes, RIG_FRAME_LEN), RIG_FRAME_LEN);
    CHECK_INT_EQ(rig_receive(tap, sizeof(f.head)), 18);
    close_fd(&tap);
    close_fd(&peer);
    rig_end(&ns);
}

TEST(a_tap_that_was_made_elsewhere_is_moved_and_carries)
{
    struct net_ns waiting, ns;
    struct err err = ERR_INIT;
    struct net_scan s;
    struct rig_frame f;
    int tap = -1, other = -1, peer;

    rig_begin(&waiting);
    CHECK_OK(net_tap_make(&waiting, 0, 1, &tap, &err), err);
    rig_begin(&ns);
    CHECK_OK(net_taps_move(&waiting, OWN_NS, &err), err);
    rig_scan(&waiting, &s);
    CHECK(!net_scan_free_tap(&s));
    net_scan_done(&s);
    rig_scan(&ns, &s);
    CHECK(net_scan_find(&s, "eth0") && net_scan_free_tap(&s));
    CHECK_OK(net_connect(&ns, net_scan_find(&s, "eth0"), net_scan_free_tap(&s), &err), err);
    net_scan_done(&s);
    peer = rig_packet_socket("peer");
    rig_make_frame(&f, 19);
    CHECK_INT_EQ(write(tap, &f, sizeof(f)), sizeof(f));
    CHECK_INT_EQ(rig_receive(peer, 0), 19);
    CHECK_OK(net_tap_make(&waiting, 0, 1, &other, &err), err);
    CHECK_ERR(net_taps_move(&waiting, OWN_NS, &err), -EBUSY);
    close_fd(&other);
    close_fd(&tap);
    close_fd(&peer);
    rig_end(&waiting);
    rig_end(&ns);
}

TEST(a_tap_that_its_vm_has_left_goes_and_no_other)
{
    struct net_ns ns;
    struct net_scan s;
    struct err err = ERR_INIT;
    int left = -1, used[2] = {-1, -1};

    rig_begin(&ns);
    CHECK_OK(net_tap_make(&ns, 0, 1, &left, &err), err);
    CHECK_OK(net_tap_make(&ns, 1, 2, used, &err), err);
    CHECK(ioctl(left, TUNSETPERSIST, 1) == 0);
    CHECK_OK(net_taps_left(&ns, &err), err);
    rig_scan(&ns, &s);
    CHECK(net_scan_find(&s, "avtap0") && net_scan_find(&s, "avtap1"));
    net_scan_done(&s);
    close_fd(&left);
    close_fd(&used[0]);
    CHECK_OK(net_taps_left(&ns, &err), err);
    rig_scan(&ns, &s);
    CHECK(!net_scan_find(&s, "avtap0") && net_scan_find(&s, "avtap1"));
    net_scan_done(&s);
    close_fd(&used[1]);
    rig_end(&ns);
}

TEST(a_tap_carries_the_name_mtu_and_state_of_its_interface)
{
    struct net_ns ns;
    struct net_scan s;
    const struct net_link *l;
    int tap = -1;

    rig_begin(&ns);
    rig_run("ip link set eth0 mtu 1234");
    connect_eth0(&ns, 1, &tap);
    rig_scan(&ns, &s);
    l = net_scan_tap(&s, "eth0");
    CHECK(l && (l->flags & IFF_UP));
    CHECK_STR_EQ(l->name, NET_TAP "0");
    CHECK_INT_EQ(l->mtu, 1234);
    CHECK(!net_scan_free_tap(&s));
    CHECK(!rig_nic(&s, NET_TAP "0"));
    net_scan_done(&s);
    rig_run("ip link del eth0"); /* the tap carries nothing any more */
    rig_scan(&ns, &s);
    CHECK(net_scan_free_tap(&s));
    net_scan_done(&s);
    close_fd(&tap);
    rig_end(&ns);
}

TEST(a_second_vm_in_the_namespace_is_refused)
{
    struct net_ns ns;
    struct err err = ERR_INIT;
    int tap = -1, other = -1, many[4], more[4] = {-1, -1, -1, -1};

    rig_begin(&ns);
    CHECK_OK(net_tap_make(&ns, 0, 1, &tap, &err), err);
    CHECK_ERR(net_tap_make(&ns, 0, 1, &other, &err), -EBUSY);
    CHECK_CONTAINS(err.msg, "carried into another VM");
    CHECK_INT_EQ(other, -1);
    close_fd(&tap);
    CHECK_INT_EQ(rig_try("ip link show " NET_TAP "0 >/dev/null 2>&1"), 1);
    CHECK_OK(net_tap_make(&ns, 0, 4, many, &err), err);
    CHECK_ERR(net_tap_make(&ns, 0, 4, more, &err), -EBUSY); /* it has room for their queues */
    CHECK_CONTAINS(err.msg, "carried into another VM");
    for (size_t i = 0; i < 4; i++)
        close_fd(&many[i]);
    rig_end(&ns);
}

TEST(disconnecting_leaves_the_interface_as_it_was)
{
    struct net_ns ns;
    struct net_scan s;
    struct err err = ERR_INIT;
    int tap = -1;

    rig_begin(&ns);
    connect_eth0(&ns, 1, &tap);
    CHECK_INT_EQ(rig_try("tc qdisc show dev eth0 | grep -q ingress"), 0);
    close_fd(&tap); /* as when the VM is killed: the filter is left, and goes nowhere */
    rig_scan(&ns, &s);
    CHECK_OK(net_disconnect(&ns, &s, "", &err), err);
    CHECK_INT_EQ(rig_try("tc qdisc show dev eth0 | grep -q ingress"), 1);
    CHECK_OK(net_disconnect(&ns, &s, "", &err), err);
    net_scan_done(&s);
    rig_end(&ns);
}

TEST(filters_of_others_stay)
{
    struct net_ns ns;
    struct net_scan s;
    struct err err = ERR_INIT;
    int tap = -1;

    rig_begin(&ns);
    rig_run("tc qdisc add dev eth0 clsact;"
            "tc filter add dev eth0 ingress pref 9 protocol ip u32 match u32 0 0 action mirred "
            "egress mirror dev lo");
    connect_eth0(&ns, 1, &tap);
    rig_scan(&ns, &s);
    CHECK_OK(net_disconnect(&ns, &s, "", &err), err);
    CHECK_INT_EQ(rig_try("tc filter show dev eth0 ingress | grep -q 'pref 167 '"), 0);
    net_scan_done(&s);
    close_fd(&tap); /* until now it was another VM's */
    rig_scan(&ns, &s);
    CHECK_OK(net_disconnect(&ns, &s, "", &err), err);
    CHECK_INT_EQ(rig_try("tc filter show dev eth0 ingress | grep -q 'pref 9 '"), 0);
    CHECK_INT_EQ(rig_try("tc filter show dev eth0 ingress | grep -q 'pref 167 '"), 1);
    net_scan_done(&s);
    rig_end(&ns);
}

/* The VMM's end stays connected while its interface goes where it belongs. */
TEST(an_interface_of_the_vmm_takes_the_place_of_a_tap)
{
    struct net_ns ns, outer = NET_NS_INIT;
    struct err err = ERR_INIT;
    struct net_scan s;
    struct rig_frame f;
    int vmm = -1, peer;

    rig_begin(&ns);
    peer = rig_packet_socket("peer");
    CHECK_INT_EQ(unshare(CLONE_NEWNET), 0);
    CHECK_OK(net_ns_open(OWN_NS, &outer, &err), err);
    CHECK_OK(net_tap_make(&outer, 7, 1, &vmm, &err), err);
    CHECK_OK(net_tap_adopt(&ns, 0, NET_TAP "7", &err), err);
    CHECK_INT_EQ(if_nametoindex(NET_TAP "7"), 0);
    rig_scan(&ns, &s);
    CHECK_OK(net_connect(&ns, net_scan_find(&s, "eth0"), net_scan_free_tap(&s), &err), err);
    rig_make_frame(&f, 19);
    CHECK_INT_EQ(write(vmm, &f, sizeof(f)), sizeof(f));
    CHECK_INT_EQ(rig_receive(peer, 0), 19);
    CHECK_ERR(net_tap_adopt(&ns, 1, "nothing", &err), -ENODEV);
    CHECK_CONTAINS(err.msg, "interface 'nothing' of the VMM");
    net_scan_done(&s);
    close_fd(&vmm);
    close_fd(&peer);
    net_ns_close(&outer);
    rig_end(&ns);
}

/* The name comes from a monitor, which may be hostile. */
TEST(an_interface_of_the_host_is_not_taken_for_one_of_the_vmm)
{
    static const struct {
        const char *name, *made_by;
    } hosts[] = {
        {"vif1.0", "ip link add vif1.0 type veth peer name other"},
        {"used9", "ip tuntap add used9 mode tap && ip link set used9 alias eth0"},
        {"tun9", "ip tuntap add tun9 mode tun"},
        {"port9", "ip tuntap add port9 mode tap && ip link add br9 type bridge 2>/dev/null && "
                  "ip link set port9 master br9"},
    };
    struct net_ns ns, outer = NET_NS_INIT;
    struct err err = ERR_INIT;

    rig_begin(&ns);
    CHECK_INT_EQ(unshare(CLONE_NEWNET), 0);
    CHECK_OK(net_ns_open(OWN_NS, &outer, &err), err);
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        if (rig_try(hosts[i].made_by) != 0 && i > 2)
            continue; /* a kernel without bridges */
        CHECK_ERR(net_tap_adopt(&ns, 0, hosts[i].name, &err), -EPERM);
        CHECK_CONTAINS(err.msg, hosts[i].name);
        CHECK(if_nametoindex(hosts[i].name) != 0);
    }
    net_ns_close(&outer);
    rig_end(&ns);
}

TEST(an_interface_of_the_vmm_is_refused_where_there_is_a_tap)
{
    struct net_ns ns, outer = NET_NS_INIT;
    struct err err = ERR_INIT;
    int tap = -1, vmm = -1;

    rig_begin(&ns);
    CHECK_OK(net_tap_make(&ns, 0, 1, &tap, &err), err);
    CHECK_INT_EQ(unshare(CLONE_NEWNET), 0);
    CHECK_OK(net_ns_open(OWN_NS, &outer, &err), err);
    CHECK_OK(net_tap_make(&outer, 7, 1, &vmm, &err), err);
    CHECK_ERR(net_tap_adopt(&ns, 0, NET_TAP "7", &err), -EBUSY);
    CHECK_CONTAINS(err.msg, "carried into another VM");
    close_fd(&vmm);
    close_fd(&tap);
    net_ns_close(&outer);
    rig_end(&ns);
}
