/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include "cli/creation/proxy_command.h"

static void make(struct oci_process *p, struct proxy_command *ret)
{
    proxy_command_make(p, "/run/anyvisor/c1", ret);
}

TEST(a_proxy_shows_the_words_of_the_guests_process)
{
    struct oci_process p = {0};
    struct proxy_command c;

    strv_add(&p.args, "sh");
    strv_add(&p.args, "-c");
    strv_add(&p.args, "sleep 1");
    make(&p, &c);
    CHECK(c.argv.n == 3);
    CHECK_STR_EQ(c.argv.v[0], "sh");
    CHECK_STR_EQ(c.argv.v[2], "sleep 1");
    CHECK(c.argv.v[3] == NULL);
    CHECK_STR_EQ(c.env.v[0], "ANYVISOR_STATE=/run/anyvisor/c1");
    CHECK(c.env.n == 1);
    proxy_command_done(&c);
    strv_done(&p.args);
}

TEST(a_terminal_is_told_in_the_environment)
{
    struct oci_process p = {.terminal = true};
    struct proxy_command c;

    make(&p, &c);
    CHECK(c.env.n == 2);
    CHECK_STR_EQ(c.env.v[1], "ANYVISOR_TERMINAL=1");
    CHECK_STR_EQ(c.argv.v[0], "anyvisor-proxy"); /* without arguments it is itself */
    proxy_command_done(&c);
}

TEST(long_arguments_are_cut)
{
    struct oci_process p = {0};
    struct proxy_command c;
    char word[3001];

    memset(word, 'x', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    for (int i = 0; i < 3; i++)
        strv_add(&p.args, word);
    make(&p, &c);
    CHECK(c.argv.n == 2);
    CHECK(strlen(c.argv.v[0]) == 3000);
    CHECK(strlen(c.argv.v[1]) == 4096 - 3001 - 1);
    proxy_command_done(&c);
    strv_done(&p.args);
}
