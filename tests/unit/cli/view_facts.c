/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include "cli/view/facts.h"

static struct err err;

#define RULES                                                                                      \
    "# File with rules\n\n# It is another processor,\n#   and another kernel.\n^uname \n^cpu \n\n" \
    "# Memory\n^limit (nproc|sigpending) \n"

TEST(equal_dumps_have_no_difference_whatever_their_order)
{
    struct view_permitted p = {0};
    struct view_result r;

    view_compare("a\nb\nb\nc\n", "c\nb\na\nb", NULL, &p, &r);
    CHECK_U64_EQ(r.n, 0);
    CHECK_U64_EQ(r.same, 4);
    view_result_done(&r);
}

TEST(a_fact_that_one_has_twice_differs)
{
    struct view_permitted p = {0};
    struct view_result r;

    view_compare("a\na\nb", "a\nc", NULL, &p, &r);
    CHECK_U64_EQ(r.same, 1);
    CHECK_U64_EQ(r.unexplained, 3);
    CHECK_U64_EQ(r.n, 3);
    CHECK_STR_EQ(r.v[0].fact, "a");
    CHECK_STR_EQ(r.v[1].fact, "b");
    CHECK_STR_EQ(r.v[2].fact, "c");
    CHECK_U64_EQ(r.v[0].side + r.v[1].side, 0);
    CHECK_U64_EQ(r.v[2].side, 1);
    view_result_done(&r);
}

TEST(one_empty_dump_differs_in_everything)
{
    struct view_permitted p = {0};
    struct view_result r;

    view_compare("", "a\nb\n", NULL, &p, &r);
    CHECK_U64_EQ(r.unexplained, 2);
    view_result_done(&r);
}

TEST(ignored_lines_are_no_facts)
{
    struct view_permitted p = {0};
    struct view_result r;

    view_compare("mount /dev/.probe ro\nx", "mount /dev/.probe rw\nx", "/dev/.probe", &p, &r);
    CHECK_U64_EQ(r.n, 0);
    CHECK_U64_EQ(r.same, 1);
    view_result_done(&r);
}

TEST(permitted_differences_carry_their_reason)
{
    struct view_permitted p = {0};
    struct view_result r;

    CHECK_OK(view_permitted_parse(RULES, "f", &p, &err), err);
    CHECK_U64_EQ(p.n, 3);
    view_compare("limit nproc 5\nuname s390x\nlimit stack 1",
                 "limit nproc 6\nlimit stack 1\nenv A=1", NULL, &p, &r);
    CHECK_U64_EQ(r.n, 4);
    CHECK_U64_EQ(r.unexplained, 1);
    CHECK_STR_EQ(r.v[0].fact, "env A=1");
    CHECK(r.v[0].reason == NULL);
    CHECK_STR_EQ(r.v[1].reason, "Memory");
    CHECK_STR_EQ(r.v[3].reason, "It is another processor, and another kernel.");
    view_result_done(&r);
    view_permitted_done(&p);
}

TEST(a_rule_without_a_reason_is_refused_with_its_line)
{
    struct view_permitted p = {0};

    CHECK_ERR(view_permitted_parse("# why\n^a\n\n^b\n", "f", &p, &err), -EINVAL);
    CHECK_CONTAINS(err.msg, "f:4: '^b' has no comment");
}

TEST(a_rule_that_is_no_expression_is_refused)
{
    struct view_permitted p = {0};

    CHECK_ERR(view_permitted_parse("# why\n^a(\n", "f", &p, &err), -EINVAL);
    CHECK_CONTAINS(err.msg, "f:2: '^a('");
}
