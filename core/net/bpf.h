/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bpf.h - small programs of BPF, assembled instruction by instruction, and how the kernel gets
 * them. For core/net only: forward.c, answers.c.
 */
#ifndef NET_BPF_H
#define NET_BPF_H
#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define BPF_PROGRAM_MAX 128

struct bpf_program {
    struct bpf_insn v[BPF_PROGRAM_MAX];
    size_t n;
};

void bpf_emit(struct bpf_program *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off,
              int32_t imm);
void bpf_set(struct bpf_program *p, uint8_t reg, int32_t value);
void bpf_move(struct bpf_program *p, uint8_t to, uint8_t from);
void bpf_call(struct bpf_program *p, int32_t helper);
/* The register gets so many bytes (BPF_B, BPF_H, BPF_W) of what another one points to. */
void bpf_read(struct bpf_program *p, uint8_t size, uint8_t reg, uint8_t base, int off);
/* The register gets the address of a byte of the stack, which is below 0. */
void bpf_stack_address(struct bpf_program *p, uint8_t reg, int off);

/* Go on when the register has, or has not, the value; else at the next bpf_land. */
void bpf_expect(struct bpf_program *p, uint8_t reg, int32_t value);
void bpf_expect_not(struct bpf_program *p, uint8_t reg, int32_t value);
void bpf_land(struct bpf_program *p);
void bpf_exit(struct bpf_program *p, int32_t verdict);

/* what: for the sentence. A descriptor, or -errno. */
int bpf_ask(int cmd, union bpf_attr *attr, const char *what, struct err *err);
int bpf_load(const struct bpf_program *p, enum bpf_prog_type type, enum bpf_attach_type attach,
             const char *what, struct err *err);

#endif
