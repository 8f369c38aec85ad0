/* SPDX-License-Identifier: Apache-2.0 */
/* Seccomp profiles: the program is run by a small interpreter, as the kernel would. */
#include <errno.h>
#include <stddef.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include "test.h"
#include "rig.h"
#include "base/cleanup.h"

/* The classic BPF that libseccomp writes: loads of seccomp_data, and, jumps, returns. */
static uint32_t run(const struct seccomp_data *data)
{
    const struct sock_filter *f = (const struct sock_filter *)rig.c.process.seccomp;
    size_t n = rig.c.process.seccomp_len / sizeof(*f);
    uint32_t a = 0;

    for (size_t pc = 0; pc < n; pc++) {
        uint32_t k = f[pc].k;
        bool yes = false;

        switch (f[pc].code) {
        case BPF_LD | BPF_W | BPF_ABS:
            CHECK(k + 4 <= sizeof(*data));
            memcpy(&a, (const char *)data + k, 4);
            continue;
        case BPF_ALU | BPF_AND | BPF_K:
            a &= k;
            continue;
        case BPF_RET | BPF_K:
            return k;
        case BPF_JMP | BPF_JA:
            pc += k;
            continue;
        case BPF_JMP | BPF_JEQ | BPF_K:
            yes = a == k;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            yes = a >= k;
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            yes = a > k;
            break;
        default:
            TEST_FAIL("unknown instruction %#x", f[pc].code);
        }
        pc += yes ? f[pc].jt : f[pc].jf;
    }
    TEST_FAIL("the program has no end");
}

static uint32_t call(int nr, uint64_t arg0, uint64_t arg1)
{
    struct seccomp_data d = {.nr = nr, .arch = AUDIT_ARCH_X86_64, .args = {arg0, arg1}};

    return run(&d);
}

static int build(const char *seccomp)
{
    cleanup_free char *part = xasprintf("\"seccomp\":{%s}", seccomp);

    return rig_build(NULL, part);
}

#define DENY "\"defaultAction\":\"SCMP_ACT_ERRNO\","
#define RULE(names, rest) "{\"names\":[" names "],\"action\":\"SCMP_ACT_ALLOW\"" rest "}"

TEST(a_profile_allows_what_it_names_and_denies_the_rest)
{
    CHECK_OK(
        build(DENY "\"defaultErrnoRet\":38,\"syscalls\":[" RULE("\"getpid\",\"read\"", "") "]"),
        rig.err);
    CHECK_INT_EQ(call(__NR_getpid, 0, 0), SECCOMP_RET_ALLOW);
    CHECK_INT_EQ(call(__NR_write, 0, 0), SECCOMP_RET_ERRNO | 38);
    CHECK_INT_EQ(rig.c.process.seccomp_len % 8, 0);
    CHECK_INT_EQ(rig.c.process.seccomp_flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
}

TEST(without_errno_the_answer_is_eperm)
{
    CHECK_OK(build(DENY "\"syscalls\":[" RULE("\"read\"", "") "]"), rig.err);
    CHECK_INT_EQ(call(__NR_write, 0, 0), SECCOMP_RET_ERRNO | EPERM);
}

TEST(conditions_on_different_arguments_must_all_hold)
{
    CHECK_OK(build(DENY "\"syscalls\":[" RULE(
                 "\"personality\"",
                 ",\"args\":[{\"index\":0,\"value\":8,\"op\":\"SCMP_CMP_EQ\"},"
                 "{\"index\":1,\"value\":15,\"valueTwo\":4,\"op\":\"SCMP_CMP_MASKED_EQ\"}]") "]"),
             rig.err);
    CHECK_INT_EQ(call(__NR_personality, 8, 0x14), SECCOMP_RET_ALLOW);
    CHECK_INT_EQ(call(__NR_personality, 8, 0x15), SECCOMP_RET_ERRNO | EPERM);
    CHECK_INT_EQ(call(__NR_personality, 9, 0x14), SECCOMP_RET_ERRNO | EPERM);
}

TEST(conditions_on_one_argument_are_alternatives)
{
    CHECK_OK(
        build(DENY "\"syscalls\":[" RULE(
            "\"personality\"", ",\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},"
                               "{\"index\":0,\"value\":4294967296,\"op\":\"SCMP_CMP_EQ\"}]") "]"),
        rig.err);
    CHECK_INT_EQ(call(__NR_personality, 1, 0), SECCOMP_RET_ALLOW);
    CHECK_INT_EQ(call(__NR_personality, UINT64_C(1) << 32, 0), SECCOMP_RET_ALLOW);
    CHECK_INT_EQ(call(__NR_personality, 2, 0), SECCOMP_RET_ERRNO | EPERM);
}

TEST(unknown_names_and_repeated_rules_are_skipped)
{
    CHECK_OK(build(DENY "\"syscalls\":[" RULE("\"moonwalk\",\"read\"", "") "," RULE(
                 "\"read\"", "") ",{\"names\":[\"write\"],\"action\":\"SCMP_ACT_ERRNO\"}]"),
             rig.err);
    CHECK_INT_EQ(call(__NR_read, 0, 0), SECCOMP_RET_ALLOW);
    CHECK_INT_EQ(call(__NR_write, 0, 0), SECCOMP_RET_ERRNO | EPERM);
}

TEST(listed_architectures_count_only_when_the_guest_can_run_them)
{
    struct seccomp_data i386 = {.nr = 20 /* getpid */, .arch = AUDIT_ARCH_I386};

    CHECK_OK(
        build(DENY "\"architectures\":[\"SCMP_ARCH_X86\",\"SCMP_ARCH_S390X\"],\"syscalls\":[" RULE(
            "\"getpid\"", "") "]"),
        rig.err);
    CHECK_INT_EQ(call(__NR_getpid, 0, 0), SECCOMP_RET_ALLOW);
    CHECK_INT_EQ(run(&i386), SECCOMP_RET_ALLOW);
    CHECK_OK(build(DENY "\"syscalls\":[" RULE("\"getpid\"", "") "]"), rig.err);
    CHECK_INT_EQ(run(&i386), SECCOMP_RET_KILL_THREAD);
}

static size_t build_for(const char *arch, uint8_t ret_first[8])
{
    struct plan_process p = {0};
    size_t len;

    rig.in.arch = arch;
    CHECK_OK(plan_process_build(&rig.spec->process, rig.spec, &rig.in, &p, NULL, &rig.err),
             rig.err);
    len = p.seccomp_len;
    CHECK(len >= 8);
    memcpy(ret_first, p.seccomp, 8);
    plan_process_done(&p);
    return len;
}

TEST(programs_are_in_the_guests_byte_order)
{
    uint8_t big[8], little[8];

    CHECK_OK(build(DENY "\"architectures\":[\"SCMP_ARCH_X86_64\"],\"syscalls\":[" RULE("\"getpid\"",
                                                                                       "") "]"),
             rig.err);
    /* both begin with a load of seccomp_data.arch: code 0x0020 */
    CHECK(build_for("s390x", big) % 8 == 0);
    CHECK(build_for("aarch64", little) % 8 == 0);
    CHECK_INT_EQ(big[0] << 8 | big[1], BPF_LD | BPF_W | BPF_ABS);
    CHECK_INT_EQ(little[1] << 8 | little[0], BPF_LD | BPF_W | BPF_ABS);
    CHECK(build_for("ppc64le", little) % 8 == 0);
}

TEST(system_calls_newer_than_the_profile_are_not_there_rather_than_denied)
{
    static const struct {
        const char *seccomp;
        int nr;
        uint32_t want;
    } t[] = {
        {DENY "\"syscalls\":[" RULE("\"read\"", "") "]", 452, SECCOMP_RET_ERRNO | ENOSYS},
        {DENY "\"syscalls\":[" RULE("\"read\"", "") "]", 423, SECCOMP_RET_ERRNO | EPERM},
        {DENY "\"syscalls\":[" RULE("\"close_range\"", "") "]", 436, SECCOMP_RET_ALLOW},
        {DENY "\"syscalls\":[" RULE("\"close_range\"", "") "]", 435, SECCOMP_RET_ERRNO | EPERM},
        {DENY "\"syscalls\":[" RULE("\"close_range\"", "") "]", 437, SECCOMP_RET_ERRNO | ENOSYS},
        {DENY "\"syscalls\":[" RULE("\"read\"", "") "]", 0x40000001, SECCOMP_RET_KILL_THREAD},
        {"\"defaultAction\":\"SCMP_ACT_KILL\",\"syscalls\":[" RULE("\"read\"", "") "]", 500,
         SECCOMP_RET_ERRNO | ENOSYS},
        {"\"defaultAction\":\"SCMP_ACT_LOG\",\"syscalls\":[" RULE("\"read\"", "") "]", 500,
         SECCOMP_RET_LOG},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        uint32_t got;

        CHECK_OK(build(t[i].seccomp), rig.err);
        got = call(t[i].nr, 0, 0);
        if (got != t[i].want)
            TEST_FAIL("{%s} %d: %#x, want %#x", t[i].seccomp, t[i].nr, got, t[i].want);
    }
}

TEST(flags_and_actions_are_translated)
{
    CHECK_OK(
        build("\"defaultAction\":\"SCMP_ACT_LOG\",\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\","
              "\"SECCOMP_FILTER_FLAG_TSYNC\"],\"syscalls\":[{\"names\":[\"read\"],\"action\":"
              "\"SCMP_ACT_KILL\"},{\"names\":[\"write\"],\"action\":\"SCMP_ACT_KILL_PROCESS\"},"
              "{\"names\":[\"open\"],\"action\":\"SCMP_ACT_TRAP\"}]"),
        rig.err);
    CHECK_INT_EQ(rig.c.process.seccomp_flags, SECCOMP_FILTER_FLAG_LOG);
    CHECK_INT_EQ(call(__NR_read, 0, 0), SECCOMP_RET_KILL_THREAD);
    CHECK_INT_EQ(call(__NR_write, 0, 0), SECCOMP_RET_KILL_PROCESS);
    CHECK_INT_EQ(call(__NR_open, 0, 0), SECCOMP_RET_TRAP);
    CHECK_INT_EQ(call(__NR_close, 0, 0), SECCOMP_RET_LOG);
}

TEST(what_a_vm_cannot_filter_is_refused)
{
    static const struct {
        const char *seccomp, *want;
    } t[] = {
        {"\"defaultAction\":\"SCMP_ACT_NOTIFY\"", "SCMP_ACT_NOTIFY"},
        {"\"defaultAction\":\"SCMP_ACT_X\"", "unknown action 'SCMP_ACT_X'"},
        {DENY "\"listenerPath\":\"/run/l\"", "listenerPath '/run/l'"},
        {DENY "\"flags\":[\"SECCOMP_FILTER_FLAG_NEW\"]", "unsupported flag"},
        {DENY "\"syscalls\":[" RULE("\"read\"", ",\"args\":[{\"index\":0,\"op\":\"X\"}]") "]",
         "unknown operator 'X'"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        CHECK(build(t[i].seccomp) < 0);
        CHECK_CONTAINS(rig.err.msg, t[i].want);
    }
}
