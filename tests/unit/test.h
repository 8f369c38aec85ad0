/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test.h - the whole unit test runner: TEST(name) { CHECK...; }, main() included.
 * For every program under tests/unit; `test_x a b` runs only the tests whose names contain a or b.
 * A failed CHECK prints both values and ends its test, also from within a helper function.
 */
#ifndef TEST_H
#define TEST_H
#include <inttypes.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"

struct test_case {
    const char *name;
    void (*run)(void);
    struct test_case *next;
};

enum { TEST_PASSED, TEST_FAILED, TEST_SKIPPED };

/* Weak, so that a program may be made of several files that all include this header. */
__attribute__((weak)) struct test_case *test_first, **test_tail = &test_first;
__attribute__((weak)) jmp_buf test_out;
__attribute__((weak)) int test_count_failed;

#define TEST(name_)                                                                                \
    static void test_##name_(void);                                                                \
    __attribute__((constructor)) static void test_register_##name_(void)                           \
    {                                                                                              \
        static struct test_case self = {#name_, test_##name_, NULL};                               \
        *test_tail = &self;                                                                        \
        test_tail = &self.next;                                                                    \
    }                                                                                              \
    static void test_##name_(void)

#define TEST_FAIL(...)                                                                             \
    do {                                                                                           \
        printf("# %s:%d: ", __FILE__, __LINE__);                                                   \
        printf(__VA_ARGS__);                                                                       \
        printf("\n");                                                                              \
        longjmp(test_out, TEST_FAILED);                                                            \
    } while (0)

/* Give the reason; the test ends here and counts neither as passed nor as failed. */
#define TEST_SKIP(...)                                                                             \
    do {                                                                                           \
        printf("# skipped: ");                                                                     \
        printf(__VA_ARGS__);                                                                       \
        printf("\n");                                                                              \
        longjmp(test_out, TEST_SKIPPED);                                                           \
    } while (0)

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            TEST_FAIL("CHECK(%s)", #cond);                                                         \
    } while (0)

#define CHECK_INT_EQ(a, b)                                                                         \
    do {                                                                                           \
        long long a_ = (long long)(a), b_ = (long long)(b);                                        \
        if (a_ != b_)                                                                              \
            TEST_FAIL("%s = %lld, want %s = %lld", #a, a_, #b, b_);                                \
    } while (0)

#define CHECK_U64_EQ(a, b)                                                                         \
    do {                                                                                           \
        uint64_t a_ = (a), b_ = (b);                                                               \
        if (a_ != b_)                                                                              \
            TEST_FAIL("%s = %" PRIu64 ", want %s = %" PRIu64, #a, a_, #b, b_);                     \
    } while (0)

/* Two NULLs are equal. */
#define CHECK_STR_EQ(a, b)                                                                         \
    do {                                                                                           \
        const char *a_ = (a), *b_ = (b);                                                           \
        if (a_ != b_ && (!a_ || !b_ || strcmp(a_, b_) != 0))                                       \
            TEST_FAIL("%s = '%s', want '%s'", #a, a_ ? a_ : "(null)", b_ ? b_ : "(null)");         \
    } while (0)

#define CHECK_CONTAINS(text, part)                                                                 \
    do {                                                                                           \
        const char *a_ = (text), *b_ = (part);                                                     \
        if (!a_ || !strstr(a_, b_))                                                                \
            TEST_FAIL("%s = '%s' does not contain '%s'", #text, a_ ? a_ : "(null)", b_);           \
    } while (0)

#define CHECK_MEM_EQ(a, b, len)                                                                    \
    do {                                                                                           \
        if (memcmp(a, b, len) != 0)                                                                \
            TEST_FAIL("%s and %s differ within %zu bytes", #a, #b, (size_t)(len));                 \
    } while (0)

/* r: what a function returned; err: the struct err that it filled (not a pointer). */
#define CHECK_OK(r, err)                                                                           \
    do {                                                                                           \
        long long r_ = (long long)(r);                                                             \
        if (r_ < 0)                                                                                \
            TEST_FAIL("%s = %lld (%s): %s", #r, r_, strerror((int)-r_), (err).msg);                \
    } while (0)

#define CHECK_ERR(r, want)                                                                         \
    do {                                                                                           \
        long long r_ = (long long)(r), w_ = (long long)(want);                                     \
        if (r_ != w_)                                                                              \
            TEST_FAIL("%s = %lld (%s), want %lld (%s)", #r, r_,                                    \
                      r_ < 0 ? strerror((int)-r_) : "no error", w_, strerror((int)-w_));           \
    } while (0)

static inline void test_run_one(struct test_case *t)
{
    int how = setjmp(test_out);

    if (how == TEST_PASSED)
        t->run();
    if (how == TEST_FAILED)
        test_count_failed++;
    printf("%s %s%s\n", how == TEST_FAILED ? "not ok" : "ok", t->name,
           how == TEST_SKIPPED ? " # SKIP" : "");
    fflush(stdout);
}

static inline int test_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strstr(name, argv[i]))
            return 1;
    return argc < 2;
}

int main(int argc, char **argv);
__attribute__((weak)) int main(int argc, char **argv)
{
    int ran = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (struct test_case *t = test_first; t; t = t->next) {
        if (!test_wanted(t->name, argc, argv))
            continue;
        test_run_one(t);
        ran++;
    }
    if (ran == 0)
        printf("# no test matches\n");
    return ran == 0 || test_count_failed > 0 ? 1 : 0;
}

#endif
