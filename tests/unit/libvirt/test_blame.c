/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include "kvm/libvirt/blame.h"

#define QEMU                                                                                       \
    "internal error: process exited while connecting to monitor: 2026 qemu-system-x86_64: "        \
    "-blockdev "
#define REST "\"node-name\":\"libvirt-1-storage\",\"discard\":\"unmap\"}: "

static const char xml[] =
    "<domain><disk type='file'><source file='/d/one'/><serial>a</serial></disk>"
    "<disk type='file'><source file='/d/one-more'/><serial>b</serial></disk>"
    "<disk type='network'><source protocol='iscsi' name='iqn.x:y/1'><host name='h' port='3260'/>"
    "</source><serial>c</serial></disk>"
    "<disk type='network'><source protocol='iscsi' name='iqn.x:y/12'/><serial>d</serial></disk>"
    "<disk type='network'><source protocol='nbd' name='e'><host name='h' port='10809'/></source>"
    "<serial>e</serial></disk>"
    "<disk type='network'><source protocol='nbd'><host transport='unix' socket='/s/k'/></source>"
    "<serial>f</serial></disk>"
    "<disk type='network'><source protocol='rbd' name='p/i'/><serial>g</serial></disk></domain>";

TEST(a_complaint_is_about_the_disk_with_its_address)
{
    static const struct {
        const char *said, *want;
    } t[] = {
        {QEMU "{\"driver\":\"file\",\"filename\":\"/d/one\"," REST "No such file",
         "disk 'a': No such file"},
        {QEMU "{\"driver\":\"file\",\"filename\":\"/d/one-more\"," REST "bad", "disk 'b': bad"},
        {QEMU "{\"target\":\"iqn.x:y\",\"lun\":1," REST "no\nmore", "disk 'c': no"},
        {QEMU "{\"target\":\"iqn.x:y\",\"lun\":12," REST "no", "disk 'd': no"},
        {QEMU "{\"server\":{\"host\":\"h\",\"port\":\"1\"},\"export\":\"e\"," REST "no",
         "disk 'e': no"},
        {QEMU "{\"server\":{\"type\":\"unix\",\"path\":\"/s/k\"}," REST "no", "disk 'f': no"},
        {QEMU "{\"pool\":\"p\",\"image\":\"i\"," REST "no", "disk 'g': no"},
        {QEMU "{\"pool\":\"p\",\"image\":\"j\"," REST "no", NULL},
        {QEMU "{\"filename\":\"\"," REST "no", NULL},
        {QEMU "{\"filename\":7," REST "no", NULL},
        {QEMU "{" REST "no", NULL},
        {QEMU "{\"filename\":\"/d/one\"", NULL},
        {"internal error: no words", NULL},
        {"", NULL},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        char got[100] = "";

        CHECK_INT_EQ(blame_disk(t[i].said, xml, got, sizeof(got)), t[i].want != NULL);
        CHECK_STR_EQ(got, t[i].want ? t[i].want : "");
        CHECK(!blame_disk(t[i].said, "/a/path", got, sizeof(got)));
    }
}
