/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include <stdlib.h>
#include "base/cleanup.h"
#include "cli/check/nova_conf.h"

static int parse(const char *one, const char *two, struct nova_conf *c, struct err *err)
{
    const char *texts[] = {one, two}, *files[] = {"nova.conf", "nova-compute.conf"};

    return nova_conf_parse(texts, files, two ? 2 : 1, c, err);
}

TEST(what_counts_for_containers_is_read)
{
    static const struct {
        const char *one, *two, *shared, *dedicated, *uri;
        uint64_t reserved;
    } t[] = {
        {"", NULL, "", "", "qemu:///system", 512},
        {"# a comment\n[DEFAULT]\nreserved_host_memory_mb = 4096\n[compute]\ncpu_shared_set=0-3\n"
         "cpu_dedicated_set = 4-7,^5 , 12\n",
         NULL, "0-3", "4,6-7,12", "qemu:///system", 4096},
        {"reserved_host_memory_mb: 1\n", NULL, "", "", "qemu:///system", 1},
        {"[compute]\ncpu_shared_set = 0,\n  2,\n\t4\n", NULL, "0,2,4", "", "qemu:///system", 512},
        {"[libvirt]\nvirt_type = lxc\n", NULL, "", "", "lxc:///", 512},
        {"[libvirt]\nvirt_type = kvm\nconnection_uri = \"qemu+unix:///system\"\n", NULL, "", "",
         "qemu+unix:///system", 512},
        {"[DEFAULT]\ncompute_driver = ironic.IronicDriver\n", NULL, "", "", NULL, 512},
        {"[DEFAULT]\nreserved_host_memory_mb = 1\n[neutron]\ncpu_shared_set = x\n",
         "[DEFAULT]\nreserved_host_memory_mb = 2\n", "", "", "qemu:///system", 2},
        {"[compute]\ncpu_shared_set =\n", NULL, "", "", "qemu:///system", 512},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        cleanup_free char *shared = NULL, *dedicated = NULL;
        struct nova_conf c = {0};
        struct err err = ERR_INIT;

        CHECK_OK(parse(t[i].one, t[i].two, &c, &err), err);
        shared = nova_cpus_text(&c.shared);
        dedicated = nova_cpus_text(&c.dedicated);
        CHECK_STR_EQ(shared, t[i].shared);
        CHECK_STR_EQ(dedicated, t[i].dedicated);
        CHECK_INT_EQ(c.has_dedicated, *t[i].dedicated != '\0');
        CHECK_STR_EQ(c.uri, t[i].uri);
        CHECK_U64_EQ(c.reserved_mib, t[i].reserved);
        nova_conf_done(&c);
    }
}

TEST(what_is_wrong_with_novas_configuration_is_said_with_its_line)
{
    static const struct {
        const char *one, *two, *say;
    } t[] = {
        {"[DEFAULT\n", NULL, "nova.conf:1: the name of a section lacks"},
        {"[DEFAULT]\n\nwords\n", NULL, "nova.conf:3: expected 'name = value'"},
        {"reserved_host_memory_mb = 4G\n", NULL, "nova.conf:1: reserved_host_memory_mb: '4G' is"},
        {"reserved_host_memory_mb = -1\n", NULL, "nova.conf:1: reserved_host_memory_mb: '-1' is"},
        {"", "[compute]\ncpu_shared_set = 3-1\n", "nova-compute.conf:2: cpu_shared_set: '3-1' is"},
        {"[compute]\ncpu_dedicated_set = 1,all\n", NULL, "nova.conf:2: cpu_dedicated_set: 'all'"},
        {"[compute]\ncpu_dedicated_set = 1-\n", NULL, "cpu_dedicated_set: '1-' is not like"},
        {"[compute]\ncpu_dedicated_set = 99999\n", NULL, "cpu_dedicated_set: '99999' is not"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct nova_conf c = {0};
        struct err err = ERR_INIT;

        CHECK_INT_EQ(parse(t[i].one, t[i].two, &c, &err), -EINVAL);
        CHECK_CONTAINS(err.msg, t[i].say);
        CHECK_INT_EQ(err.phase, PHASE_CONFIG);
    }
}

TEST(one_libvirt_has_many_names)
{
    static const struct {
        const char *a, *b;
        bool same;
    } t[] = {
        {"qemu:///system", "qemu:///system", true},
        {"qemu:///system", "qemu+unix:///system", true},
        {"qemu:///system", "qemu+unix:///system?socket=/var/run/libvirt/libvirt-sock", true},
        {"qemu:///system", "qemu+unix:///system?socket=/run/libvirt/virtqemud-sock", true},
        {"qemu:///system", "qemu+unix:///system?socket=/run/containers/libvirt-sock", false},
        {"qemu+unix:///system?socket=/run/a", "qemu+unix:///system?socket=/run/a", true},
        {"qemu:///system", "qemu:///session", false},
        {"qemu:///system", "xen:///system", false},
        {"qemu:///system", "qemu+ssh://host/system", false},
        {"qemu:///system", "qemu", false},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
        CHECK_INT_EQ(nova_same_libvirt(t[i].a, t[i].b), t[i].same);
}
