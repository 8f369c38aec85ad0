/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include "base/cleanup.h"
#include "base/macros.h"
#include "fixture.h"
#include "test.h"

static int probe_with(const char *const *keys, struct err *err)
{
    cleanup_call(fixture_done) struct fixture f;
    struct plugin *p;
    int r;

    fixture_init(&f, "plug", keys);
    p = fixture_open(&f);
    r = plugin_probe(p, 1000, NULL, err);
    plugin_close(p);
    return r;
}

static int probe_flags(uint64_t flags, const char *more, struct err *err)
{
    char text[40];
    const char *const keys[] = {text, more, NULL};

    snprintf(text, sizeof(text), "flags=%llu", (unsigned long long)flags);
    return probe_with(keys, err);
}

TEST(every_capability_without_its_op_is_refused_by_name)
{
    static const struct {
        uint64_t bit;
        const char *name, *lacks;
    } t[] = {
        {HVP_CAP_STATS, "stats", "vm_stats"},
        {HVP_CAP_SNAPSHOT | HVP_CAP_PAUSE, "snapshot", "vm_save"},
        {HVP_CAP_TEMPLATE, "template", "template_key"},
        {HVP_CAP_STOP, "stop", "vm_stop"},
        {HVP_CAP_CONSOLE, "console", "console_open"},
        {HVP_CAP_SET_VCPUS, "set-vcpus", "vm_set_vcpus"},
        {HVP_CAP_SET_MEMORY, "set-memory", "vm_set_memory"},
        {HVP_CAP_DEVICE_ADDR, "device-addr", "device_addr"},
        {HVP_CAP_PIDS, "pids", "vm_pids"},
        {HVP_CAP_RENAME, "rename", "vm_rename"},
        {HVP_CAP_NIC_HOSTIF, "nic-hostif", "nic_hostif"},
        {HVP_CAP_SHARE_9P, "shares", "way to plug one"},
        {HVP_CAP_NIC_FD, "NICs", "way to plug one"},
        {HVP_CAP_VSOCK, "vsock", "way to plug one"},
        {HVP_CAP_MULTI_CHAN, "multi-chan", "channels"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        struct err err = ERR_INIT;

        CHECK_ERR(probe_flags(HVP_CAP_VMM_CHILD | t[i].bit, NULL, &err), -EPROTO);
        CHECK_CONTAINS(err.msg, t[i].name);
        CHECK_CONTAINS(err.msg, t[i].lacks);
    }
}

TEST(an_external_vmm_must_be_listable)
{
    struct err err = ERR_INIT;

    CHECK_ERR(probe_flags(HVP_CAP_VMM_EXTERNAL, NULL, &err), -EPROTO);
    CHECK_CONTAINS(err.msg, "vm_list");
}

TEST(the_vmm_is_either_child_or_external)
{
    struct err err = ERR_INIT;

    CHECK_ERR(probe_flags(0, NULL, &err), -EPROTO);
    CHECK_ERR(probe_flags(HVP_CAP_VMM_CHILD | HVP_CAP_VMM_EXTERNAL, NULL, &err), -EPROTO);
    CHECK_CONTAINS(err.msg, "either 'vmm-child' or 'vmm-external'");
    CHECK_OK(probe_flags(HVP_CAP_VMM_CHILD, NULL, &err), err);
}

TEST(plugging_without_its_op_or_its_ways_is_refused)
{
    struct err err = ERR_INIT;

    CHECK_ERR(probe_flags(HVP_CAP_VMM_CHILD, "hotplug=2", &err), -EPROTO);
    CHECK_CONTAINS(err.msg, "device_attach");
    CHECK_ERR(probe_flags(HVP_CAP_VMM_CHILD, "unplug=2", &err), -EPROTO);
    CHECK_CONTAINS(err.msg, "device_detach");
    CHECK_ERR(probe_flags(HVP_CAP_VMM_CHILD, "coldplug=2", &err), -EPROTO);
    CHECK_CONTAINS(err.msg, "disk protocol");
    CHECK_ERR(probe_flags(HVP_CAP_VMM_CHILD, "coldplug=8", &err), -EPROTO);
    CHECK_CONTAINS(err.msg, "nic-fd");
}

TEST(bits_of_a_newer_abi_are_ignored)
{
    struct err err = ERR_INIT;

    CHECK_OK(probe_flags(HVP_CAP_VMM_CHILD | UINT64_C(1) << 63, NULL, &err), err);
}

TEST(another_architecture_than_the_descriptors_is_refused)
{
    const char *const keys[] = {"arch=s390x", NULL};
    struct err err = ERR_INIT;

    CHECK_ERR(probe_with(keys, &err), -EPROTO);
    CHECK_CONTAINS(err.msg, "guests for 's390x', its descriptor says 'x86_64'");
}

TEST(every_bit_and_number_of_the_abi_has_a_name)
{
    CHECK_STR_EQ(plugin_cap_name(0), "vmm-child");
    for (uint64_t bit = HVP_CAP_MEMORY_APART; bit; bit >>= 1)
        CHECK(plugin_cap_name((unsigned)__builtin_ctzll(bit)) != NULL);
    CHECK_STR_EQ(plugin_cap_name((unsigned)__builtin_ctzll(HVP_CAP_MEMORY_APART)), "memory-apart");
    CHECK(plugin_cap_name((unsigned)__builtin_ctzll(HVP_CAP_MEMORY_APART) + 1) == NULL);
    CHECK_STR_EQ(plugin_cap_name((unsigned)__builtin_ctzll(HVP_CAP_STOP)), "stop");
    CHECK_STR_EQ(plugin_device_name(HVP_DEV_VSOCK), "vsock");
    CHECK_STR_EQ(plugin_protocol_name(HVP_PROTO_RBD), "rbd");
    CHECK_STR_EQ(plugin_format_name(HVP_FORMAT_VHDX), "vhdx");
    CHECK_STR_EQ(plugin_event_name(HVP_EVENT_KILLED), "killed");
    CHECK_STR_EQ(plugin_state_name(HVP_VM_CRASHED), "crashed");
    CHECK_STR_EQ(plugin_thread_model_name(HVP_THREADS_PARALLEL), "parallel");
}

/* ---- what a VM may ask of these capabilities ---- */

static void spec_refused(const struct hvp_vm_spec *spec, int want, const char *sentence)
{
    static const struct hvp_caps caps = {
        .flags = HVP_CAP_NIC_HOSTIF | HVP_CAP_SHARE_9P,
        .coldplug = 1u << HVP_DEV_DISK | 1u << HVP_DEV_NIC | 1u << HVP_DEV_SHARE,
        .disk_protocols = 1u << HVP_PROTO_FILE,
        .disk_formats = 1u << HVP_FORMAT_RAW,
        .max_vcpus = 4,
        .max_memory = 1 * GIB,
        .max_channels = 1,
    };
    struct err err = ERR_INIT;

    CHECK_ERR(plugin_spec_check(&caps, spec, &err), -want);
    CHECK_CONTAINS(err.msg, sentence);
}

TEST(a_vm_beyond_the_capabilities_is_refused_before_it_is_built)
{
    struct hvp_vm_spec s;

    fixture_spec(&s);
    s.vcpus = s.vcpus_max = 5;
    spec_refused(&s, ENOTSUP, "5 vcpus: a VM can have 4");
    fixture_spec(&s);
    s.vcpus_max = 0;
    spec_refused(&s, EINVAL, "makes no sense");
    fixture_spec(&s);
    s.memory = s.memory_max = 2 * GIB;
    spec_refused(&s, ENOTSUP, "a VM can have 1073741824");
    fixture_spec(&s);
    s.n_channels = 2;
    spec_refused(&s, ENOTSUP, "2 channels");
    fixture_spec(&s);
    s.run_dir = "/run/anyvisor/a-very-long-path-in-which-no-unix-socket-would-have-room/at-all";
    spec_refused(&s, ENAMETOOLONG, "sockets would not fit");
}

static void device_refused(const struct hvp_device *d, int want, const char *sentence)
{
    const struct hvp_device *const devices[] = {d};
    struct hvp_vm_spec s;

    fixture_spec(&s);
    s.devices = devices;
    s.n_devices = 1;
    spec_refused(&s, want, sentence);
}

TEST(devices_beyond_the_capabilities_are_refused_by_tag)
{
    int taps[] = {0};
    struct hvp_disk disk = {.d = {sizeof(disk), HVP_DEV_DISK, 0, 0, "root"},
                            .protocol = HVP_PROTO_RBD,
                            .format = HVP_FORMAT_RAW};
    struct hvp_nic nic = {.d = {sizeof(nic), HVP_DEV_NIC, 0, 0, "eth0"}, .tap_fds = taps};
    struct hvp_vsock vsock = {.d = {sizeof(vsock), HVP_DEV_VSOCK, 0, 0, "vs"}};
    struct hvp_share share = {.d = {sizeof(share), HVP_DEV_SHARE, 0, 0, "sh"},
                              .fs = HVP_FS_VIRTIOFS};

    device_refused(&disk.d, ENOTSUP, "device 'root': disk protocol 'rbd'");
    disk.protocol = HVP_PROTO_FILE;
    disk.format = HVP_FORMAT_QCOW2;
    device_refused(&disk.d, ENOTSUP, "device 'root': disk format 'qcow2'");
    device_refused(&nic.d, ENOTSUP, "device 'eth0': connection 'nic-fd'");
    device_refused(&vsock.d, ENOTSUP, "device 'vs': device kind 'vsock'");
    device_refused(&share.d, ENOTSUP, "device 'sh': file system 'share-virtiofs'");
    disk.d.tag = "a-tag-of-21-bytes-long";
    device_refused(&disk.d, EINVAL, "is not 1 to 20 bytes long");
    disk.d.tag = "a,b";
    device_refused(&disk.d, EINVAL, "bad character");
}
