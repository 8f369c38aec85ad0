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
        {QEMU "-device {\"driver\":\"virtio-blk-pci\",\"id\":\"x\",\"drive\":\"n-c\"}: bad "
              "place\nmore?\n",
         "disk 'c': bad place"},
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

TEST(a_lock_of_an_image_is_told_in_our_words)
{
    static const struct {
        const char *text, *want;
    } t[] = {
        {"disk 'a': Failed to get \"write\" lock", "disk 'a': another container, VM or program"},
        {"QEMU refused 'device_add': Failed to get shared \"write\" lock", "another container, VM"},
        {"disk 'a': Failed to get \"write", "disk 'a': Failed to get \"write"},
        {"disk 'a': Could not open 'x'", "disk 'a': Could not open 'x'"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        char text[300];

        snprintf(text, sizeof(text), "%s", t[i].text);
        words_of_lock(text, sizeof(text));
        CHECK_INT_EQ(strncmp(text, t[i].want, strlen(t[i].want)), 0);
    }
}

TEST(long_words_are_cut)
{
    char got[12];

    CHECK(words_of_disk(QEMU "-blockdev {\"node-name\":\"n-data\"}: reason", got, sizeof(got)));
    CHECK_STR_EQ(got, "disk 'data'");
}
