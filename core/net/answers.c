/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker's name server asks for names of the outside world from within the container's namespace,
 * whose interfaces give all that they get to the guest. A filter before the redirecting one lets
 * the stack of the namespace have the answers to what it has asked itself: what comes from the port
 * of name servers for a socket of the namespace that is connected to just that server, and a copy
 * of what neighbours answer. Nobody outside can aim at a socket that only listens.
 */
#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <string.h>
#include "base/cleanup.h"
#include "net/bpf.h"
#include "net/internal.h"

/* Register 6 has the packet, 7 what must survive a call; the stack a copy of its head. */
#define PACKET BPF_REG_6
#define KEPT BPF_REG_7
#define COPY_MAX 48
#define COPY(member) ((int)(member)-COPY_MAX)

/* Where the two versions of IP have what is looked at. Addresses and ports lie behind each other as
 * struct bpf_sock_tuple has them. */
struct version {
    uint16_t ethertype;
    int protocol, addresses, ports, tuple;
};
static const struct version ipv4 = {ETH_P_IP, offsetof(struct iphdr, protocol),
                                    offsetof(struct iphdr, saddr), sizeof(struct iphdr),
                                    sizeof(((struct bpf_sock_tuple *)NULL)->ipv4)};
static const struct version ipv6 = {ETH_P_IPV6, offsetof(struct ip6_hdr, ip6_nxt),
                                    offsetof(struct ip6_hdr, ip6_src), sizeof(struct ip6_hdr),
                                    sizeof(((struct bpf_sock_tuple *)NULL)->ipv6)};

/* Go on with a copy of what follows the Ethernet header, if the packet has so much of it. */
static void copy_head(struct bpf_program *p, uint16_t ethertype, int len)
{
    bpf_read(p, BPF_W, BPF_REG_1, PACKET, offsetof(struct __sk_buff, protocol));
    bpf_expect(p, BPF_REG_1, htons(ethertype));
    bpf_move(p, BPF_REG_1, PACKET);
    bpf_set(p, BPF_REG_2, ETH_HLEN);
    bpf_stack_address(p, BPF_REG_3, COPY(0));
    bpf_set(p, BPF_REG_4, len);
    bpf_call(p, BPF_FUNC_skb_load_bytes);
    bpf_expect(p, BPF_REG_0, 0);
}

static void expect_byte(struct bpf_program *p, int member, int32_t value)
{
    bpf_read(p, BPF_B, BPF_REG_1, BPF_REG_10, COPY(member));
    bpf_expect(p, BPF_REG_1, value);
}

static void expect_half(struct bpf_program *p, int member, uint16_t value)
{
    bpf_read(p, BPF_H, BPF_REG_1, BPF_REG_10, COPY(member));
    bpf_expect(p, BPF_REG_1, htons(value));
}

/* A header without options, of a packet that is whole: others would have no port in that place. */
static void expect_plain_ipv4(struct bpf_program *p)
{
    expect_byte(p, 0, IPVERSION << 4 | sizeof(struct iphdr) / 4);
    bpf_read(p, BPF_H, BPF_REG_1, BPF_REG_10, COPY(offsetof(struct iphdr, frag_off)));
    bpf_emit(p, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_1, 0, 0, htons(IP_MF | IP_OFFMASK));
    bpf_expect(p, BPF_REG_1, 0);
}

/* Register 0 gets the socket whose packet it would be without us. */
static void look_up_socket(struct bpf_program *p, const struct version *ip)
{
    bpf_read(p, BPF_B, KEPT, BPF_REG_10, COPY(ip->protocol));
    bpf_move(p, BPF_REG_1, PACKET);
    bpf_stack_address(p, BPF_REG_2, COPY(ip->addresses));
    bpf_set(p, BPF_REG_3, ip->tuple);
    bpf_set(p, BPF_REG_4, BPF_F_CURRENT_NETNS);
    bpf_set(p, BPF_REG_5, 0);
    bpf_emit(p, BPF_JMP | BPF_JNE | BPF_K, KEPT, 0, 2, IPPROTO_UDP);
    bpf_call(p, BPF_FUNC_sk_lookup_udp);
    bpf_emit(p, BPF_JMP | BPF_JA, 0, 0, 2, 0);
    bpf_expect(p, KEPT, IPPROTO_TCP);
    bpf_call(p, BPF_FUNC_sk_lookup_tcp);
    bpf_expect_not(p, BPF_REG_0, 0);
}

static void let_in_if_connected(struct bpf_program *p)
{
    bpf_read(p, BPF_H, KEPT, BPF_REG_0, offsetof(struct bpf_sock, dst_port));
    bpf_move(p, BPF_REG_1, BPF_REG_0);
    bpf_call(p, BPF_FUNC_sk_release);
    bpf_expect_not(p, KEPT, 0);
    bpf_exit(p, TC_ACT_OK);
}

static void write_names(struct bpf_program *p, const struct version *ip)
{
    copy_head(p, ip->ethertype, ip->addresses + ip->tuple);
    if (ip == &ipv4)
        expect_plain_ipv4(p);
    expect_half(p, ip->ports, NET_PORT_NAMES);
    look_up_socket(p, ip);
    let_in_if_connected(p);
    bpf_land(p);
}

/* The guest may have asked as well as the namespace: both have one address. */
static void let_in_a_copy(struct bpf_program *p, uint32_t tap)
{
    bpf_move(p, BPF_REG_1, PACKET);
    bpf_set(p, BPF_REG_2, (int32_t)tap);
    bpf_set(p, BPF_REG_3, 0);
    bpf_call(p, BPF_FUNC_clone_redirect);
    bpf_exit(p, TC_ACT_OK);
    bpf_land(p);
}

static void write_neighbours(struct bpf_program *p, uint32_t tap)
{
    copy_head(p, ETH_P_ARP, sizeof(struct arphdr));
    expect_half(p, offsetof(struct arphdr, ar_op), ARPOP_REPLY);
    let_in_a_copy(p, tap);
    copy_head(p, ETH_P_IPV6, sizeof(struct ip6_hdr) + 1);
    expect_byte(p, offsetof(struct ip6_hdr, ip6_nxt), IPPROTO_ICMPV6);
    expect_byte(p, sizeof(struct ip6_hdr), ND_NEIGHBOR_ADVERT);
    let_in_a_copy(p, tap);
}

static int load(uint32_t tap, struct err *err)
{
    struct bpf_program p = {.n = 0};

    bpf_move(&p, PACKET, BPF_REG_1);
    write_names(&p, &ipv4);
    write_names(&p, &ipv6);
    write_neighbours(&p, tap);
    bpf_exit(&p, TC_ACT_UNSPEC); /* the next filter has its say */
    return bpf_load(&p, BPF_PROG_TYPE_SCHED_CLS, 0, "load a filter of packets", err);
}

int net_let_answers_in(struct net_ns *ns, struct err *err)
{
    cleanup_call(net_scan_done) struct net_scan scan = {0};
    int r = scan_links(ns, &scan, err);

    for (size_t i = 0; i < scan.n_links && r >= 0; i++) {
        const struct net_link *l = &scan.links[i], *tap = net_scan_tap(&scan, l->name);
        cleanup_fd int program = -1;

        if (!tap || !redirect_is_between(tap))
            continue;
        if ((r = program = load(tap->index, err)) >= 0)
            r = redirect_add_before(ns, l->index, program, err);
    }
    if (r >= 0)
        return 0;
    err_in_phase(err, PHASE_NETWORK);
    return err_wrap(err, "let answers of name servers into the namespace");
}
