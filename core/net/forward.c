/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engines forward a pod's ports by connecting to 127.0.0.1 in its network namespace on the host,
 * where nothing listens. A program of BPF, asked by the kernel who gets a new connection there,
 * gives it to one socket, whatever its port: no rule of the engine's firewall is touched.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "net/internal.h"

#define BACKLOG 64
#define PROGRAM_MAX 24

struct program {
    struct bpf_insn v[PROGRAM_MAX];
    size_t n;
};

static void emit(struct program *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off,
                 int32_t imm)
{
    p->v[p->n++] =
        (struct bpf_insn){.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm};
}

static void move(struct program *p, uint8_t to, uint8_t from)
{
    emit(p, BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0);
}

static void call(struct program *p, int32_t helper)
{
    emit(p, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

/* Go on if this member of the context, which is in register 6, has the value. */
static void expect(struct program *p, size_t member, uint32_t value)
{
    emit(p, BPF_LDX | BPF_W | BPF_MEM, BPF_REG_1, BPF_REG_6, (int16_t)member, 0);
    emit(p, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_1, 0, 0, (int32_t)value);
}

/* The socket is the map's only one, or none when its owner has closed it. */
static void emit_find_socket(struct program *p, int map)
{
    emit(p, BPF_ST | BPF_W | BPF_MEM, BPF_REG_10, 0, -4, 0);
    move(p, BPF_REG_2, BPF_REG_10);
    emit(p, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4);
    emit(p, BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map);
    emit(p, 0, 0, 0, 0, 0); /* the upper half of that */
    call(p, BPF_FUNC_map_lookup_elem);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, 0);
}

static void emit_assign(struct program *p)
{
    move(p, BPF_REG_7, BPF_REG_0);
    move(p, BPF_REG_1, BPF_REG_6);
    move(p, BPF_REG_2, BPF_REG_7);
    emit(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, 0);
    call(p, BPF_FUNC_sk_assign);
    move(p, BPF_REG_1, BPF_REG_7);
    call(p, BPF_FUNC_sk_release);
}

/* 127.0.0.1 only: Docker's name server is another address of the loopback. All jumps go to the
 * end, where the kernel is told to go on with the socket, if one was assigned. */
static void write_program(struct program *p, int map)
{
    size_t end;

    move(p, BPF_REG_6, BPF_REG_1);
    expect(p, offsetof(struct bpf_sk_lookup, family), AF_INET);
    expect(p, offsetof(struct bpf_sk_lookup, protocol), IPPROTO_TCP);
    expect(p, offsetof(struct bpf_sk_lookup, local_ip4), htonl(INADDR_LOOPBACK));
    emit_find_socket(p, map);
    emit_assign(p);
    end = p->n;
    emit(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, SK_PASS);
    emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    for (size_t i = 0; i < end; i++)
        if (p->v[i].code == (BPF_JMP | BPF_JNE | BPF_K) ||
            p->v[i].code == (BPF_JMP | BPF_JEQ | BPF_K))
            p->v[i].off = (int16_t)(end - i - 1);
}

static int bpf(int cmd, union bpf_attr *attr, const char *what, struct err *err)
{
    int r = (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));

    return r < 0 ? err_set(err, errno, "%s: %m", what) : r;
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
    if ((map = bpf(BPF_MAP_CREATE, &attr, "make a map of sockets", err)) < 0)
        return map;
    memset(&attr, 0, sizeof(attr));
    attr.map_fd = (uint32_t)map;
    attr.key = (uint64_t)(uintptr_t)&key;
    attr.value = (uint64_t)(uintptr_t)&value;
    r = bpf(BPF_MAP_UPDATE_ELEM, &attr, "put a socket into a map", err);
    return r < 0 ? r : steal_fd(&map);
}

static int load(int map, struct err *err)
{
    struct program p = {.n = 0};
    union bpf_attr attr;

    write_program(&p, map);
    memset(&attr, 0, sizeof(attr));
    attr.prog_type = BPF_PROG_TYPE_SK_LOOKUP;
    attr.expected_attach_type = BPF_SK_LOOKUP;
    attr.insns = (uint64_t)(uintptr_t)p.v;
    attr.insn_cnt = (uint32_t)p.n;
    attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
    return bpf(BPF_PROG_LOAD, &attr, "load a program that looks up sockets", err);
}

static int attach(int ns, int program, struct err *err)
{
    union bpf_attr attr;

    memset(&attr, 0, sizeof(attr));
    attr.link_create.prog_fd = (uint32_t)program;
    attr.link_create.target_fd = (uint32_t)ns;
    attr.link_create.attach_type = BPF_SK_LOOKUP;
    return bpf(BPF_LINK_CREATE, &attr, "attach a program to the network namespace", err);
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
