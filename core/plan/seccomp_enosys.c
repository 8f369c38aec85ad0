/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls newer than a profile: programs try them and fall back when the kernel says ENOSYS,
 * but a profile that denies with EPERM (Docker's) makes them give up. As in runc, a few
 * instructions before the program answer ENOSYS for every number above the profile's own.
 */
#include "plan/seccomp_enosys.h"
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <seccomp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include "base/macros.h"

/* From 424 on (Linux 5.1) a number means the same on all our architectures. */
#define LAST_OLD 423
#define X32_BIT 0x40000000u
#define STUB_LEN 6

static uint32_t newest_of(const struct oci_seccomp *s, uint32_t arch)
{
    int newest = LAST_OLD;

    for (size_t i = 0; i < s->n_rules; i++)
        for (size_t n = 0; n < s->rules[i].names.n; n++)
            newest = MAX(newest, seccomp_syscall_resolve_name_arch(arch, s->rules[i].names.v[n]));
    return (uint32_t)newest; /* unknown and pseudo numbers are negative */
}

/* Denials that a caller could take for "not permitted"; TRACE asks a tracer, let it. */
static bool denies(uint32_t action)
{
    switch (action & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_KILL_PROCESS:
    case SECCOMP_RET_KILL_THREAD:
    case SECCOMP_RET_TRAP:
        return true;
    case SECCOMP_RET_ERRNO:
        return (action & SECCOMP_RET_DATA) != ENOSYS;
    default:
        return false;
    }
}

static void put(uint8_t *to, struct sock_filter f, bool big)
{
    for (int i = 0; i < 2; i++)
        to[i] = (uint8_t)(f.code >> (8 * (big ? 1 - i : i)));
    to[2] = f.jt;
    to[3] = f.jf;
    for (int i = 0; i < 4; i++)
        to[4 + i] = (uint8_t)(f.k >> (8 * (big ? 3 - i : i)));
}

void seccomp_add_enosys(const struct oci_seccomp *s, uint32_t default_action, uint32_t arch,
                        bool big, uint8_t **program, size_t *len)
{
    const struct sock_filter stub[STUB_LEN] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arch, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, newest_of(s, arch), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    };
    size_t size = STUB_LEN * sizeof(struct sock_filter);
    uint8_t *longer;

    if (!denies(default_action) || *len + size > BPF_MAXINSNS * sizeof(struct sock_filter))
        return;
    longer = xcalloc(1, *len + size);
    for (size_t i = 0; i < STUB_LEN; i++)
        put(longer + i * sizeof(struct sock_filter), stub[i], big);
    memcpy(longer + size, *program, *len);
    free(*program);
    *program = longer;
    *len += size;
}
