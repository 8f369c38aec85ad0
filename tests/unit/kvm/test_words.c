/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include "kvm/words.h"

#define QEMU "qemu-system-x86_64: "

TEST(a_complaint_about_a_disk_names_it_and_the_reason)
{
    static const struct {
        const char *log, *want;
    } t[] = {
        {QEMU "-blockdev {\"node-name\":\"n-data\",\"a\":{\"b\":\"}: x\"}}: No such file\nmore?\n",
         "disk 'data': No such file"},
        {QEMU "warning: old\n" QEMU "-object {\"id\":\"c-v0\"}: Unable to access credentials",
         "disk 'v0': Unable to access credentials"},
        {QEMU "-object {\"id\":\"s-a\"}: first\n" QEMU "-blockdev {\"node-name\":\"n-b\"}: last\n",
         "disk 'b': last"},
        {QEMU "-blockdev {\"node-name\":\"n-b\"}", NULL},
        {QEMU "-blockdev {\"node-name\":\"n-", NULL},
        {QEMU "-object {\"id\":\"ram\"}: cannot set up guest memory", NULL},
        {QEMU "-blockdev {\"node-name\":7}: odd", NULL},
        {QEMU "cannot set up guest memory", NULL},
        {"", NULL},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        char got[100] = "";

        CHECK_INT_EQ(words_of_disk(t[i].log, got, sizeof(got)), t[i].want != NULL);
        CHECK_STR_EQ(got, t[i].want ? t[i].want : "");
    }
}

TEST(long_words_are_cut)
{
    char got[12];

    CHECK(words_of_disk(QEMU "-blockdev {\"node-name\":\"n-data\"}: reason", got, sizeof(got)));
    CHECK_STR_EQ(got, "disk 'data'");
}
