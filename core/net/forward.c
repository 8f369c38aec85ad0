/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engines forward a pod's ports by connecting to 127.0.0.1 in its network namespace on the host,
 * where nothing listens. A program of BPF, asked by the kernel who gets a new connection there,
 * gives it to one socket, whatever its port: no rule of the engine's firewall is touched.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "net/bpf.h"
#include "net/internal.h"

#define BACKLOG 64

/* Go on if this member of the context, which is in register 6, has the value. */
static void expect(struct bpf_program *p, size_t member, uint32_t value)
{
    bpf_read(p, BPF_W, BPF_REG_1, BPF_REG_6, (int)member);
    bpf_expect(p, BPF_REG_1, (int32_t)value);
}

/* The socket is the map's only one, or none when its owner has closed it. */
static void emit_find_socket(struct bpf_program *p, int map)
{
    bpf_emit(p, BPF_ST | BPF_W | BPF_MEM, BPF_REG_10, 0, -4, 0);
    bpf_stack_address(p, BPF_REG_2, -4);
    bpf_emit(p, BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map);
    bpf_emit(p, 0, 0, 0, 0, 0); /* the upper half of that */
    bpf_call(p, BPF_FUNC_map_lookup_elem);
    bpf_expect_not(p, BPF_REG_0, 0);
}

static void emit_assign(struct bpf_program *p)
{
    bpf_move(p, BPF_REG_7, BPF_REG_0);
    bpf_move(p, BPF_REG_1, BPF_REG_6);
    bpf_move(p, BPF_REG_2, BPF_REG_7);
    bpf_set(p, BPF_REG_3, 0);
    bpf_call(p, BPF_FUNC_sk_assign);
    bpf_move(p, BPF_REG_1, BPF_REG_7);
    bpf_call(p, BPF_FUNC_sk_release);
}

/* 127.0.0.1 only: Docker's name server is another address of the loopback. All jumps land at
 * the end, where the kernel is told to go on with the socket, if one was assigned. */
static void write_program(struct bpf_program *p, int map)
{
    bpf_move(p, BPF_REG_6, BPF_REG_1);
    expect(p, offsetof(struct bpf_sk_lookup, family), AF_INET);
    expect(p, offsetof(struct bpf_sk_lookup, protocol), IPPROTO_TCP);
    expect(p, offsetof(struct bpf_sk_lookup, local_ip4), htonl(INADDR_LOOPBACK));
    emit_find_socket(p, map);
    emit_assign(p);
    bpf_land(p);
    bpf_exit(p, SK_PASS);
}

/* A map of sockets with this one in it. */
static int make_map(int listener, struct err *err)
{
    const uint32_t key = 0, value = (uint32_t)listener;
    union bpf_attr attr;
    cleanup_fd int map = -1;
    int r;

    memset(&attr, 0, sizeof(attr));
    attr.map_type = BPF_MAP_TYPE_SOCKMAP;
    attr.key_size = sizeof(key);
    attr.value_size = sizeof(value);
    attr.max_entries = 1;
    if ((map = bpf_ask(BPF_MAP_CREATE, &attr, "make a map of sockets", err)) < 0)
        return map;
    memset(&attr, 0, sizeof(attr));
    attr.map_fd = (uint32_t)map;
    attr.key = (uint64_t)(uintptr_t)&key;
    attr.value = (uint64_t)(uintptr_t)&value;
    r = bpf_ask(BPF_MAP_UPDATE_ELEM, &attr, "put a socket into a map", err);
    return r < 0 ? r : steal_fd(&map);
}

static int load(int map, struct err *err)
{
    struct bpf_program p = {.n = 0};

    write_program(&p, map);
    return bpf_load(&p, BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP,
                    "load a program that looks up sockets", err);
}

static int attach(int ns, int program, struct err *err)
{
    union bpf_attr attr;

    memset(&attr, 0, sizeof(attr));
    attr.link_create.prog_fd = (uint32_t)program;
    attr.link_create.target_fd = (uint32_t)ns;
    attr.link_create.attach_type = BPF_SK_LOOKUP;
    return bpf_ask(BPF_LINK_CREATE, &attr, "attach a program to the network namespace", err);
}

static int open_listener(void *arg, struct err *err)
{
    const struct sockaddr_in any_port = {.sin_family = AF_INET,
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    cleanup_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (const struct sockaddr *)&any_port, sizeof(any_port)) < 0 ||
        listen(fd, BACKLOG) < 0)
        return err_set(err, errno, "listen on its loopback: %m");
    *(int *)arg = steal_fd(&fd);
    return 0;
}

int net_forward_open(struct net_ns *ns, int ret[2], struct err *err)
{
    cleanup_fd int listener = -1, map = -1, program = -1;
    int link, r = ns_run(ns->fd, open_listener, &listener, err);

    if (r < 0 || (r = map = make_map(listener, err)) < 0 || (r = program = load(map, err)) < 0 ||
        (r = link = attach(ns->fd, program, err)) < 0) {
        err_in_phase(err, PHASE_NETWORK);
        return err_wrap(err, "forward ports of the pod");
    }
    ret[0] = steal_fd(&listener);
    ret[1] = link;
    return 0;
}
