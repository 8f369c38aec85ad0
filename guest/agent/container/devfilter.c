/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules as a BPF program on the container's cgroup. The last matching rule wins, so they are
 * tested from the last to the first; what nothing matches is denied.
 */
#include "agent/container/container.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sys.h"
#include "base/cleanup.h"
#include "base/macros.h"

#define RULE_INSNS 12u /* at most, per rule */
#define ACCESS_ALL 7u

/* As runc: every container may use these, whatever its rules say. */
static const struct plan_device_rule standard[] = {
    {1, 'c', -1, -1, 1}, {1, 'b', -1, -1, 1}, /* mknod alone gives no access */
    {1, 'c', 1, 3, 7},   {1, 'c', 1, 5, 7},   {1, 'c', 1, 7, 7}, {1, 'c', 1, 8, 7},
    {1, 'c', 1, 9, 7},   {1, 'c', 5, 0, 7},   {1, 'c', 5, 2, 7}, {1, 'c', 136, -1, 7},
};

/* What engines ask for that give no device of the host: nothing else. */
static const struct plan_device_rule plain[] = {{0, 'a', -1, -1, ACCESS_ALL, NULL}};

struct program {
    struct bpf_insn *v;
    size_t n;
};

static void emit(struct program *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off,
                 int32_t imm)
{
    p->v[p->n++] =
        (struct bpf_insn){.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm};
}

/* Registers: 2 type, 3 access, 4 major, 5 minor of the request. */
static void emit_start(struct program *p)
{
    emit(p, BPF_LDX | BPF_W | BPF_MEM, 2, 1, 0, 0);
    emit(p, BPF_ALU | BPF_MOV | BPF_X, 3, 2, 0, 0);
    emit(p, BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16);
    emit(p, BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff);
    emit(p, BPF_LDX | BPF_W | BPF_MEM, 4, 1, 4, 0);
    emit(p, BPF_LDX | BPF_W | BPF_MEM, 5, 1, 8, 0);
}

static void emit_verdict(struct program *p, int allow)
{
    emit(p, BPF_ALU | BPF_MOV | BPF_K, 0, 0, 0, allow);
    emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void emit_rule(struct program *p, const struct plan_device_rule *r)
{
    size_t first = p->n;

    if (r->type != 'a')
        emit(p, BPF_JMP | BPF_JNE | BPF_K, 2, 0, 0,
             r->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
    if (r->access != ACCESS_ALL) {
        /* Allowed must be all that is asked for; one forbidden part forbids the whole. */
        emit(p, BPF_ALU | BPF_MOV | BPF_X, 1, 3, 0, 0);
        emit(p, BPF_ALU | BPF_AND | BPF_K, 1, 0, 0, (int32_t)r->access);
        if (r->allow)
            emit(p, BPF_JMP | BPF_JNE | BPF_X, 1, 3, 0, 0);
        else
            emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0, 0);
    }
    if (r->type != 'a' && r->major >= 0)
        emit(p, BPF_JMP | BPF_JNE | BPF_K, 4, 0, 0, (int32_t)r->major);
    if (r->type != 'a' && r->minor >= 0)
        emit(p, BPF_JMP | BPF_JNE | BPF_K, 5, 0, 0, (int32_t)r->minor);
    emit_verdict(p, (int)r->allow);
    /* All jumps of this rule go to the next one. */
    for (size_t i = first; i < p->n; i++)
        if (BPF_CLASS(p->v[i].code) == BPF_JMP && BPF_OP(p->v[i].code) != BPF_EXIT)
            p->v[i].off = (int16_t)(p->n - i - 1);
}

static int decides_everything(const struct plan_device_rule *r)
{
    return r->type == 'a' && r->access == ACCESS_ALL;
}

/* It would allow only what a standard rule, tested before it, allows already. */
static bool is_standard(const struct plan_device_rule *r)
{
    for (size_t i = 0; i < ARRAY_SIZE(standard); i++) {
        const struct plan_device_rule *s = &standard[i];

        if (r->allow && r->type == s->type && !(r->access & ~s->access) &&
            (s->major < 0 || r->major == s->major) && (s->minor < 0 || r->minor == s->minor))
            return true;
    }
    return false;
}

/*
 * The rules that can decide something; returns how many. The verifier refuses unreachable code:
 * what comes before a rule for everything is left out.
 */
static size_t needed(const struct plan_device_rule *rules, size_t n, struct plan_device_rule *ret)
{
    size_t first = n, k = 0;

    while (first > 0 && !decides_everything(&rules[first - 1]))
        first--;
    for (size_t i = first ? first - 1 : 0; i < n; i++)
        if (!is_standard(&rules[i]))
            ret[k++] = rules[i];
    return k;
}

static void emit_rules(struct program *p, const struct plan_device_rule *rules, size_t n)
{
    for (size_t i = n; i-- > 0;)
        emit_rule(p, &rules[i]);
    if (n == 0 || !decides_everything(&rules[0]))
        emit_verdict(p, 0);
}

static int load(const struct program *p, struct err *err)
{
    union bpf_attr attr;
    int fd;

    memset(&attr, 0, sizeof(attr));
    attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attr.insns = (uint64_t)(uintptr_t)p->v;
    attr.insn_cnt = (uint32_t)p->n;
    attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
    fd = sys_bpf(BPF_PROG_LOAD, &attr);
    return fd < 0 ? err_set(err, errno, "load device filter: %m") : fd;
}

static int attach(int cgroup, int prog, int cmd)
{
    union bpf_attr attr;

    memset(&attr, 0, sizeof(attr));
    attr.target_fd = (uint32_t)cgroup;
    attr.attach_bpf_fd = (uint32_t)prog;
    attr.attach_type = BPF_CGROUP_DEVICE;
    attr.attach_flags = cmd == BPF_PROG_ATTACH ? BPF_F_ALLOW_MULTI : 0;
    return sys_bpf(cmd, &attr);
}

static bool same_rules(const struct plan_device_rule *x, const struct plan_device_rule *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (x[i].allow != y[i].allow || x[i].type != y[i].type || x[i].major != y[i].major ||
            x[i].minor != y[i].minor || x[i].access != y[i].access)
            return false;
    return true;
}

/* Checking and compiling a program takes longer than all the rest of a cgroup, and the containers
 * of a pod mostly have the same rules. -1 = none has. */
static int same_filter(const struct agent *a, const struct plan_device_rule *rules, size_t n)
{
    for (const struct container *c = a->containers; c; c = c->next)
        if (c->devfilter_fd >= 0 && !c->devfilter_changed && c->plan.cgroup.n_rules == n &&
            same_rules(c->plan.cgroup.rules, rules, n))
            return fcntl(c->devfilter_fd, F_DUPFD_CLOEXEC, 3);
    return -1;
}

static int load_rules(const struct plan_device_rule *rules, size_t n, struct err *err)
{
    cleanup_free struct bpf_insn *v = calloc(n + ARRAY_SIZE(standard) + 2, RULE_INSNS * sizeof(*v));
    struct program p = {v, 0};

    if (!v)
        return err_set(err, ENOMEM, "device filter: %m");
    emit_start(&p);
    for (size_t i = ARRAY_SIZE(standard); i-- > 0;)
        emit_rule(&p, &standard[i]);
    emit_rules(&p, rules, n);
    return load(&p, err);
}

void devfilter_prepare(struct container *c)
{
    struct err err = ERR_INIT;
    cleanup_fd int fd = load_rules(plain, ARRAY_SIZE(plain), &err);

    if (fd < 0 || attach(c->cgroup_fd, fd, BPF_PROG_ATTACH) < 0)
        return;
    c->devfilter_fd = steal_fd(&fd);
    c->devfilter_plain = true;
}

void devfilter_drop_plain(struct container *c)
{
    if (!c->devfilter_plain)
        return;
    (void)attach(c->cgroup_fd, c->devfilter_fd, BPF_PROG_DETACH);
    close_fd(&c->devfilter_fd);
    c->devfilter_plain = false;
}

/* A filter before this one is replaced without a moment in between. */
int devfilter_attach(const struct agent *a, struct container *c,
                     const struct plan_device_rule *rules, size_t n, struct err *err)
{
    bool again = c->devfilter_fd >= 0; /* one program is not attached twice */
    bool was_plain = c->devfilter_plain;
    cleanup_free struct plan_device_rule *v = calloc(n, sizeof(*v));
    cleanup_fd int fd = again ? -1 : same_filter(a, rules, n);
    size_t n_needed = v ? needed(rules, n, v) : 0;

    if (!v)
        return err_set(err, ENOMEM, "device filter: %m");
    c->devfilter_plain = false;
    if (was_plain && n_needed == ARRAY_SIZE(plain) && same_rules(v, plain, n_needed))
        return 0;
    if (fd < 0 && (fd = load_rules(v, n_needed, err)) < 0)
        return fd;
    if (attach(c->cgroup_fd, fd, BPF_PROG_ATTACH) < 0)
        return err_set(err, errno, "attach device filter: %m");
    if (again)
        (void)attach(c->cgroup_fd, c->devfilter_fd, BPF_PROG_DETACH);
    close_fd(&c->devfilter_fd);
    c->devfilter_fd = steal_fd(&fd);
    c->devfilter_changed = again && !was_plain;
    return 0;
}
