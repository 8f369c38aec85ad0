/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include "base/cleanup.h"
#include "base/str.h"
#include "test.h"

TEST(allocations_of_nothing_are_not_null)
{
    cleanup_free void *a = xcalloc(0, 8);
    cleanup_free void *b = xreallocarray(NULL, 0, 8);
    cleanup_free void *c = xmemdup(NULL, 0);

    CHECK(a && b && c);
    CHECK(xstrdup(NULL) == NULL);
    CHECK(xstrndup(NULL, 3) == NULL);
}

TEST(copies_are_equal_and_separate)
{
    const char *word = "word";
    cleanup_free char *a = xstrdup(word);
    cleanup_free char *b = xstrndup(word, 2);
    cleanup_free char *c = xmemdup(word, 5);
    cleanup_free char *d = xasprintf("%s-%d", word, 7);

    CHECK(a != word && c != word);
    CHECK_STR_EQ(a, "word");
    CHECK_STR_EQ(b, "wo");
    CHECK_STR_EQ(c, "word");
    CHECK_STR_EQ(d, "word-7");
}

TEST(string_list_is_null_terminated_and_searchable)
{
    struct strv s = {0};

    CHECK(!strv_has(&s, "a"));
    strv_add(&s, "a");
    strv_addf(&s, "b%d", 1);
    CHECK_INT_EQ(s.n, 2);
    CHECK_STR_EQ(s.v[1], "b1");
    CHECK(s.v[2] == NULL);
    CHECK(strv_has(&s, "b1") && !strv_has(&s, "b"));
    strv_done(&s);
    CHECK(s.v == NULL && s.n == 0);
    strv_done(&s);
}

TEST(first_of_two_equal_keys_wins)
{
    struct kvs l = {0};

    CHECK(kvs_get(&l, "k") == NULL);
    kvs_add(&l, "k", "1");
    kvs_add(&l, "k", "2");
    kvs_add(&l, "", "empty");
    CHECK_STR_EQ(kvs_get(&l, "k"), "1");
    CHECK_STR_EQ(kvs_get(&l, ""), "empty");
    CHECK_STR_EQ(kvs_get(&l, "other"), NULL);
    CHECK_INT_EQ(l.n, 3);
    kvs_done(&l);
    CHECK(l.v == NULL && l.n == 0);
}

TEST(prefix_and_suffix)
{
    CHECK(str_starts_with("machine", "mach") && !str_starts_with("ma", "mach"));
    CHECK(str_ends_with("a.yaml", ".yaml") && !str_ends_with("yaml", ".yaml"));
    CHECK(str_starts_with("x", "") && str_ends_with("x", ""));
}

TEST(nearest_word_is_offered_only_for_a_typing_mistake)
{
    static const char *const keys[] = {"hypervisor", "storage", "vm", "classes"};
    static const struct {
        const char *word, *want;
    } t[] = {{"hypervizor", "hypervisor"},
             {"storge", "storage"},
             {"stroage", "storage"},
             {"mv", "vm"},
             {"classe", "classes"},
             {"vn", "vm"},
             {"xx", NULL},
             {"network", NULL},
             {"", NULL},
             {"vm", "vm"}};

    for (size_t i = 0; i < ARRAY_SIZE(t); i++)
        CHECK_STR_EQ(str_nearest(t[i].word, keys, ARRAY_SIZE(keys)), t[i].want);
    CHECK(str_nearest("vm", keys, 0) == NULL);
}

TEST(who_is_far_from_all_words_is_told_them)
{
    static const char *const words[] = {"disk", "tmpfs", "none"};
    static const struct {
        size_t n;
        const char *word, *want;
    } t[] = {
        {3, "tmpf", "did you mean 'tmpfs'?"},
        {3, "memory", "expected disk, tmpfs or none"},
        {2, "memory", "expected disk or tmpfs"},
        {1, "memory", "expected disk"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *text = str_advice(t[i].word, words, t[i].n);

        CHECK_STR_EQ(text, t[i].want);
    }
}

TEST(container_ids_follow_runcs_rule)
{
    static const char *const good[] = {"a", "A-b_c.d+9", "...", "-", "a.."};
    static const char *const bad[] = {"", ".", "..", "a/b", "a b", "../x", "\xc3\xa4", "a\n"};
    struct err err = ERR_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        CHECK_OK(str_check_id(good[i], &err), err);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        err.msg[0] = '\0';
        CHECK_ERR(str_check_id(bad[i], &err), -EINVAL);
        CHECK(err.msg[0]);
    }
    CHECK_ERR(str_check_id(NULL, &err), -EINVAL);
}

TEST(container_ids_are_at_most_1024_long)
{
    char id[1026];
    struct err err = ERR_INIT;

    memset(id, 'a', sizeof(id));
    id[1024] = '\0';
    CHECK_OK(str_check_id(id, &err), err);
    id[1024] = 'a';
    id[1025] = '\0';
    CHECK_ERR(str_check_id(id, &err), -EINVAL);
}

TEST(somebody_elses_text_loses_what_controls_a_terminal)
{
    char text[] = "a\033[2Jb\n\177\tc \303\251 \302\2331m \302\251 \302", empty[] = "";

    str_tame(text);
    CHECK_STR_EQ(text, "a?[2Jb???c \303\251 ??1m \302\251 \302");
    str_tame(empty);
    CHECK_STR_EQ(empty, "");
}
