/* SPDX-License-Identifier: Apache-2.0 */
#include "net/bpf.h"
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define UNLESS_EQUAL (BPF_JMP | BPF_JNE | BPF_K)
#define IF_EQUAL (BPF_JMP | BPF_JEQ | BPF_K)

void bpf_emit(struct bpf_program *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off,
              int32_t imm)
{
    p->v[p->n++] =
        (struct bpf_insn){.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm};
}

void bpf_set(struct bpf_program *p, uint8_t reg, int32_t value)
{
    bpf_emit(p, BPF_ALU64 | BPF_MOV | BPF_K, reg, 0, 0, value);
}

void bpf_move(struct bpf_program *p, uint8_t to, uint8_t from)
{
    bpf_emit(p, BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0);
}

void bpf_call(struct bpf_program *p, int32_t helper)
{
    bpf_emit(p, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

void bpf_read(struct bpf_program *p, uint8_t size, uint8_t reg, uint8_t base, int off)
{
    bpf_emit(p, BPF_LDX | size | BPF_MEM, reg, base, (int16_t)off, 0);
}

void bpf_stack_address(struct bpf_program *p, uint8_t reg, int off)
{
    bpf_move(p, reg, BPF_REG_10);
    bpf_emit(p, BPF_ALU64 | BPF_ADD | BPF_K, reg, 0, 0, off);
}

/* A jump of no length is one that has not landed yet. */
void bpf_expect(struct bpf_program *p, uint8_t reg, int32_t value)
{
    bpf_emit(p, UNLESS_EQUAL, reg, 0, 0, value);
}

void bpf_expect_not(struct bpf_program *p, uint8_t reg, int32_t value)
{
    bpf_emit(p, IF_EQUAL, reg, 0, 0, value);
}

void bpf_land(struct bpf_program *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->v[i].off == 0 && (p->v[i].code == UNLESS_EQUAL || p->v[i].code == IF_EQUAL))
            p->v[i].off = (int16_t)(p->n - i - 1);
}

void bpf_exit(struct bpf_program *p, int32_t verdict)
{
    bpf_set(p, BPF_REG_0, verdict);
    bpf_emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

int bpf_ask(int cmd, union bpf_attr *attr, const char *what, struct err *err)
{
    int r = (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));

    return r < 0 ? err_set(err, errno, "%s: %m", what) : r;
}

int bpf_load(const struct bpf_program *p, enum bpf_prog_type type, enum bpf_attach_type attach,
             const char *what, struct err *err)
{
    union bpf_attr attr;

    memset(&attr, 0, sizeof(attr));
    attr.prog_type = type;
    attr.expected_attach_type = attach;
    attr.insns = (uint64_t)(uintptr_t)p->v;
    attr.insn_cnt = (uint32_t)p->n;
    attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
    return bpf_ask(BPF_PROG_LOAD, &attr, what, err);
}
