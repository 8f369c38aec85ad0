/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include "kvm/cmdline.h"
#include "kvm/memory.h"

#define MIB (UINT64_C(1) << 20)

/* A description that builds; each test changes what it is about. */
struct setup {
    struct hvp_vm_spec spec;
    struct kvm_config config;
    struct cmdline c;
    struct args args;
    struct hvp_error err;
};

static void setup(struct setup *s)
{
    *s = (struct setup){.spec = {.struct_size = sizeof(s->spec),
                                 .id = "web+1.a",
                                 .uuid = "0e8b5c5e-0000-4000-8000-000000000001",
                                 .vcpus = 2,
                                 .vcpus_max = 2,
                                 .memory = 512 * MIB,
                                 .memory_max = 512 * MIB,
                                 .machine = "",
                                 .cpu_model = "",
                                 .kernel = "/k",
                                 .initrd = "/i",
                                 .cmdline = "quiet",
                                 .run_dir = "/run/x",
                                 .console_log = "",
                                 .n_channels = 1}};
    kvm_config_init(&s->config);
    s->c = (struct cmdline){.spec = &s->spec,
                            .machine = machine_find("x86_64", "q35"),
                            .config = &s->config,
                            .accel = ACCEL_TCG,
                            .qemu = "/usr/bin/qemu"};
}

static int build(struct setup *s)
{
    return cmdline_build(&s->args, &s->c, &s->err);
}

/* The word behind the first option of that name which contains part; NULL = there is none. */
static const char *value(const struct setup *s, const char *option, const char *part)
{
    for (size_t i = 0; i + 1 < s->args.n; i++)
        if (strcmp(s->args.v[i], option) == 0 && strstr(s->args.v[i + 1], part))
            return s->args.v[i + 1];
    return NULL;
}

static bool has(const struct setup *s, const char *word)
{
    for (size_t i = 0; i < s->args.n; i++)
        if (strcmp(s->args.v[i], word) == 0)
            return true;
    return false;
}

TEST(the_vm_is_paused_named_and_filtered)
{
    struct setup s;

    setup(&s);
    CHECK_OK(build(&s), s.err);
    CHECK_STR_EQ(s.args.v[0], "/usr/bin/qemu");
    CHECK(has(&s, "-S"));
    CHECK(has(&s, "-no-reboot"));
    CHECK(has(&s, "-no-user-config"));
    CHECK_STR_EQ(value(&s, "-name", ""), "guest=anyvisor-web+1.a");
    CHECK_STR_EQ(value(&s, "-uuid", ""), s.spec.uuid);
    CHECK_STR_EQ(value(&s, "-smp", ""), "2");
    CHECK_STR_EQ(value(&s, "-m", ""), "512M");
    CHECK_STR_EQ(value(&s, "-append", ""), "quiet console=ttyS0 no_timer_check");
    CHECK_CONTAINS(value(&s, "-sandbox", ""), "spawn=deny");
    args_done(&s.args);
}

TEST(a_template_writes_its_memory_and_a_clone_copies_it)
{
    struct setup s;

    setup(&s);
    s.c.memory = "/t,1/memory";
    s.c.memory_shared = true;
    CHECK_OK(build(&s), s.err);
    CHECK_STR_EQ(value(&s, "-object", "memory"),
                 "memory-backend-file,id=ram,size=512M,mem-path=/t,,1/memory,share=on");
    CHECK_CONTAINS(value(&s, "-machine", ""), ",memory-backend=ram");
    CHECK(has(&s, "-kernel"));
    args_done(&s.args);

    setup(&s);
    s.c.memory = "/t/memory";
    s.c.incoming = true;
    CHECK_OK(build(&s), s.err);
    CHECK_STR_EQ(value(&s, "-object", "memory"),
                 "memory-backend-file,id=ram,size=512M,mem-path=/t/memory,share=off");
    CHECK(!has(&s, "-kernel"));
    CHECK(!has(&s, "-append"));
    args_done(&s.args);

    setup(&s);
    s.c.memory = "/t/memory";
    s.c.incoming = s.c.memory_readonly = true;
    CHECK_OK(build(&s), s.err);
    CHECK_CONTAINS(value(&s, "-object", "memory"), ",share=off,readonly=on,rom=off");
    args_done(&s.args);
}

TEST(huge_pages_are_for_who_has_memory_of_its_own)
{
    struct setup s;

    setup(&s);
    s.c.accel = ACCEL_KVM;
    CHECK(!cmdline_small_pages(&s.c)); /* boots */
    s.c.memory = "/t/memory";
    CHECK(!cmdline_small_pages(&s.c)); /* becomes a template */
    s.c.incoming = true;
    CHECK(cmdline_small_pages(&s.c));
    s.spec.memory_max = 2 * s.spec.memory;
    CHECK(!cmdline_small_pages(&s.c));
    s.spec.memory_max = s.spec.memory;
    s.c.memory = NULL; /* loads a snapshot into memory of its own */
    CHECK(!cmdline_small_pages(&s.c));
    s.c.memory = "/t/memory";
    s.c.accel = ACCEL_TCG;
    CHECK(!cmdline_small_pages(&s.c));
}

TEST(a_vm_that_may_grow_has_an_empty_device_for_it)
{
    struct setup s;

    setup(&s);
    CHECK_OK(build(&s), s.err);
    CHECK(!value(&s, "-device", "virtio-mem"));
    args_done(&s.args);

    setup(&s);
    s.spec.memory_max = 1000 * MIB; /* its room is of whole blocks of the guest's kernel */
    CHECK_OK(build(&s), s.err);
    CHECK_STR_EQ(value(&s, "-m", ""), "512M,maxmem=1024M");
    CHECK_STR_EQ(value(&s, "-object", "room"),
                 "memory-backend-ram,id=ram-room,size=512M,share=off");
    CHECK_CONTAINS(value(&s, "-device", "virtio-mem-pci"), "\"id\":\"room\"");
    CHECK_CONTAINS(value(&s, "-device", "virtio-mem-pci"), "\"memdev\":\"ram-room\"");
    CHECK(!strstr(value(&s, "-device", "virtio-mem-pci"), "requested-size"));
    CHECK_CONTAINS(value(&s, "-append", ""), " memhp_default_state=online");
    args_done(&s.args);
}

TEST(a_vm_that_may_have_more_processors_has_places_for_them)
{
    struct setup s;

    setup(&s);
    s.spec.vcpus_max = 6;
    CHECK_OK(build(&s), s.err);
    CHECK_STR_EQ(value(&s, "-smp", ""), "2,maxcpus=6");
    args_done(&s.args);
}

TEST(a_number_of_processors_out_of_the_vms_range_is_refused)
{
    static const struct {
        uint32_t start, max, wanted;
        int want;
        const char *says;
    } t[] = {
        {2, 4, 2, 0, ""},
        {2, 4, 4, 0, ""},
        {2, 4, 5, -ERANGE, "5 vCPUs: the VM can have 2 to 4"},
        {2, 4, 1, -ERANGE, "1 vCPUs: the VM can have 2 to 4"},
        {2, 2, 2, -ENOTSUP, "without room for more vCPUs"},
        {0, 0, 2, -ENOTSUP, "found again"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct hvp_error err = {.struct_size = sizeof(err)};

        CHECK_ERR(vcpus_check(t[i].start, t[i].max, t[i].wanted, &err), t[i].want);
        CHECK_CONTAINS(err.msg, t[i].says);
    }
}

TEST(the_guest_is_offered_whole_pieces)
{
    CHECK_U64_EQ(memory_more(512 * MIB, 512 * MIB), 0);
    CHECK_U64_EQ(memory_more(512 * MIB, 513 * MIB), 4 * MIB);
    CHECK_U64_EQ(memory_more(512 * MIB, 768 * MIB), 256 * MIB);
}

TEST(seccomp_off_and_firmware_are_obeyed)
{
    struct setup s;

    setup(&s);
    s.config.seccomp = false;
    s.c.firmware = "/f,w";
    CHECK_OK(build(&s), s.err);
    CHECK(!has(&s, "-sandbox"));
    CHECK_STR_EQ(value(&s, "-bios", ""), "/f,w");
    args_done(&s.args);
}

TEST(the_cpu_follows_accelerator_config_and_vm)
{
    struct setup s;

    setup(&s);
    CHECK_OK(build(&s), s.err);
    CHECK_STR_EQ(value(&s, "-cpu", ""), "max,-erms,-fsrm");
    args_done(&s.args);

    s.c.accel = ACCEL_KVM;
    CHECK_OK(build(&s), s.err);
    CHECK_STR_EQ(value(&s, "-cpu", ""), "host");
    CHECK_STR_EQ(value(&s, "-accel", ""), "kvm");
    args_done(&s.args);

    s.spec.cpu_model = "qemu64";
    CHECK_OK(build(&s), s.err);
    CHECK_STR_EQ(value(&s, "-cpu", ""), "qemu64");
    args_done(&s.args);
}

TEST(a_guest_is_told_the_tsc_under_tcg_only_and_to_trust_it_where_the_host_does)
{
    struct setup s;

    setup(&s);
    s.c.machine = machine_find("x86_64", "microvm");
    s.c.tsc_khz = 2500000;
    CHECK_OK(build(&s), s.err);
    CHECK_STR_EQ(value(&s, "-append", ""), "quiet console=ttyS0 tsc_early_khz=2500000");
    args_done(&s.args);

    s.c.tsc_reliable = true;
    CHECK_OK(build(&s), s.err);
    CHECK_STR_EQ(value(&s, "-append", ""),
                 "quiet console=ttyS0 tsc=reliable tsc_early_khz=2500000");
    args_done(&s.args);

    s.c.accel = ACCEL_KVM;
    CHECK_OK(build(&s), s.err);
    CHECK_STR_EQ(value(&s, "-append", ""), "quiet console=ttyS0");
    args_done(&s.args);
}

TEST(s390x_has_channel_devices_and_the_firmware_s_console)
{
    struct setup s;

    setup(&s);
    s.c.machine = machine_find("s390x", "");
    CHECK_OK(build(&s), s.err);
    CHECK_STR_EQ(value(&s, "-machine", ""), "s390-ccw-virtio");
    CHECK_STR_EQ(value(&s, "-append", ""), "quiet console=ttysclp0");
    CHECK_STR_EQ(value(&s, "-device", "virtio-serial"),
                 "{\"driver\":\"virtio-serial-ccw\",\"id\":\"serial\"}");
    CHECK(has(&s, "sclpconsole,chardev=console"));
    CHECK(!has(&s, "-serial"));
    CHECK(!value(&s, "-device", "pci"));
    args_done(&s.args);
}

TEST(devices_sit_on_the_bus_that_the_machine_has)
{
    static const struct {
        const char *arch, *bus, *console;
    } t[] = {{"x86_64", "pcie.0", "console=ttyS0"},
             {"aarch64", "pcie.0", "console=ttyAMA0"},
             {"ppc64le", "pci.0", "console=hvc0"}};

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct setup s;
        char want[32];

        setup(&s);
        s.c.machine = machine_find(t[i].arch, "");
        CHECK_OK(build(&s), s.err);
        snprintf(want, sizeof(want), "\"bus\":\"%s\"", t[i].bus);
        CHECK_CONTAINS(value(&s, "-device", "virtio-serial-pci"), want);
        CHECK_CONTAINS(value(&s, "-append", ""), t[i].console);
        args_done(&s.args);
    }
}

TEST(a_disk_comes_after_its_credentials)
{
    const struct hvp_kv options[] = {{"portal", "h"}, {"target", "t"}, {"user", "u"}};
    const struct hvp_disk first = {
        .d = {.struct_size = sizeof(first), .kind = HVP_DEV_DISK, .tag = "one"},
        .protocol = HVP_PROTO_ISCSI,
        .format = HVP_FORMAT_RAW,
        .path = "",
        .options = options,
        .n_options = 3,
        .secret_file = "/password"};
    struct hvp_disk second = first;
    const struct hvp_device *const devices[] = {&first.d, &second.d};
    struct setup s;
    char fd[40];

    setup(&s);
    second.d.tag = "two";
    s.spec.devices = devices;
    s.spec.n_devices = 2;
    CHECK_OK(build(&s), s.err);
    for (int i = 0; i < 2; i++) {
        snprintf(fd, sizeof(fd), "fd\\/%d\"", CMDLINE_FD_DEVICES + i);
        CHECK_CONTAINS(value(&s, "-object", i ? "s-two" : "s-one"), fd);
        CHECK_CONTAINS(value(&s, "-blockdev", i ? "n-two" : "n-one"),
                       i ? "\"password-secret\":\"s-two\"" : "\"password-secret\":\"s-one\"");
    }
    args_done(&s.args);
}

TEST(each_channel_is_a_port_with_the_abi_name)
{
    struct setup s;

    setup(&s);
    s.spec.n_channels = 3;
    CHECK_OK(build(&s), s.err);
    CHECK_STR_EQ(value(&s, "-chardev", "id=agent2"), "socket,id=agent2,fd=7,server=on,wait=off");
    CHECK_CONTAINS(value(&s, "-device", "org.anyvisor.agent.2"), "\"chardev\":\"agent2\"");
    CHECK(!value(&s, "-device", "org.anyvisor.agent.3"));
    args_done(&s.args);

    s.spec.n_channels = 9;
    CHECK_ERR(build(&s), -EINVAL);
    args_done(&s.args);
}

TEST(emulated_doorbells_are_served_without_a_thread_switch)
{
    const struct hvp_share share = {
        .d = {.struct_size = sizeof(share), .kind = HVP_DEV_SHARE, .tag = "s0"},
        .dir = "/a",
        .fs = HVP_FS_9P};
    const struct hvp_device *devices[] = {&share.d};
    struct setup s;

    setup(&s);
    s.spec.devices = devices;
    s.spec.n_devices = 1;
    CHECK_OK(build(&s), s.err);
    CHECK_CONTAINS(value(&s, "-device", "virtio-9p-pci"), "\"ioeventfd\":false");
    CHECK_CONTAINS(value(&s, "-device", "virtio-serial-pci"), "\"ioeventfd\":false");
    args_done(&s.args);

    s.c.accel = ACCEL_KVM;
    CHECK_OK(build(&s), s.err);
    CHECK(!value(&s, "-device", "ioeventfd"));
    args_done(&s.args);
}

TEST(commas_in_paths_stay_in_the_path)
{
    const struct hvp_share share = {
        .d = {.struct_size = sizeof(share), .kind = HVP_DEV_SHARE, .tag = "s0"},
        .dir = "/a,b",
        .fs = HVP_FS_9P};
    const struct hvp_device *devices[] = {&share.d};
    struct setup s;

    setup(&s);
    s.spec.console_log = "/l,og";
    s.spec.devices = devices;
    s.spec.n_devices = 1;
    CHECK_OK(build(&s), s.err);
    CHECK_CONTAINS(value(&s, "-chardev", "id=console"), ",logfile=/dev/fdset/1,logappend=on");
    CHECK_STR_EQ(value(&s, "-add-fd", ""), "fd=15,set=1,opaque=/l,,og");
    CHECK_STR_EQ(value(&s, "-fsdev", ""),
                 "local,id=s-s0,path=/a,,b,security_model=none,multidevs=remap");
    args_done(&s.args);

    s.c.privileged = true;
    CHECK_OK(build(&s), s.err);
    CHECK_CONTAINS(value(&s, "-fsdev", ""), "security_model=passthrough");
    args_done(&s.args);
}

TEST(descriptors_are_numbered_in_the_order_of_the_devices)
{
    const int taps[] = {70, 71};
    const struct hvp_nic one = {
        .d = {.struct_size = sizeof(one), .kind = HVP_DEV_NIC, .tag = "eth0"},
        .tap_fds = taps,
        .queues = 1,
        .mac = {2, 0, 0, 0, 0, 0xab}};
    struct hvp_nic two = one;
    const struct hvp_vsock vsock = {
        .d = {.struct_size = sizeof(vsock), .kind = HVP_DEV_VSOCK, .tag = "v"}};
    const struct hvp_device *devices[] = {&one.d, &vsock.d, &two.d};
    const uint32_t cids[] = {4711};
    struct setup s;

    setup(&s);
    two.d.tag = "eth1";
    two.queues = 2;
    s.spec.devices = devices;
    s.spec.n_devices = 3;
    s.c.cids = cids;
    CHECK_OK(build(&s), s.err);
    CHECK_STR_EQ(value(&s, "-netdev", "t-eth0"), "tap,id=t-eth0,fd=16");
    CHECK_CONTAINS(value(&s, "-device", "vhost-vsock"), "\"vhostfd\":\"17\"");
    CHECK_CONTAINS(value(&s, "-device", "vhost-vsock"), "\"guest-cid\":4711");
    CHECK_STR_EQ(value(&s, "-netdev", "t-eth1"), "tap,id=t-eth1,fds=18:19");
    CHECK_CONTAINS(value(&s, "-device", "t-eth0"), "\"mac\":\"02:00:00:00:00:ab\"");
    CHECK_CONTAINS(value(&s, "-device", "t-eth0"), "\"addr\":\"0x3\"");
    CHECK_CONTAINS(value(&s, "-device", "t-eth1"), "\"addr\":\"0x5\"");
    args_done(&s.args);
}

TEST(a_channel_over_vsock_is_in_the_place_of_the_serial_ports)
{
    struct setup s;

    setup(&s);
    CHECK_OK(build(&s), s.err);
    CHECK(value(&s, "-device", "virtio-serial") != NULL);
    CHECK(value(&s, "-append", "anyvisor.vsock") == NULL);
    args_done(&s.args);
    setup(&s);
    s.c.channel_cid = 4000000000u;
    CHECK_OK(build(&s), s.err);
    CHECK(value(&s, "-device", "serial") == NULL);
    CHECK(value(&s, "-chardev", "agent") == NULL);
    CHECK_CONTAINS(value(&s, "-device", "vhost-vsock"), "\"vhostfd\":\"5\"");
    CHECK_CONTAINS(value(&s, "-device", "vhost-vsock"), "\"guest-cid\":4000000000");
    CHECK_CONTAINS(value(&s, "-append", ""), "anyvisor.vsock=4000000000");
    args_done(&s.args);
    setup(&s);
    s.c.channel_cid = 4711;
    s.spec.n_channels = 2;
    CHECK_INT_EQ(build(&s), -EINVAL);
    CHECK_CONTAINS(s.err.msg, "this VM can have 1 to 1");
    args_done(&s.args);
}

TEST(hotplug_ports_are_made_as_configured)
{
    struct setup s;

    setup(&s);
    s.config.hotplug_ports = 0;
    CHECK_OK(build(&s), s.err);
    CHECK(!value(&s, "-device", "pcie-root-port"));
    args_done(&s.args);

    s.config.hotplug_ports = 3;
    CHECK_OK(build(&s), s.err);
    CHECK_CONTAINS(value(&s, "-device", "\"port2\""), "\"addr\":\"0x1e.2\"");
    CHECK(!value(&s, "-device", "\"port3\""));
    args_done(&s.args);
}

TEST(more_devices_than_slots_are_refused)
{
    struct hvp_share shares[27];
    const struct hvp_device *devices[27];
    char tags[27][8];
    struct setup s;

    setup(&s);
    for (size_t i = 0; i < 27; i++) {
        snprintf(tags[i], sizeof(tags[i]), "s%zu", i);
        shares[i] = (struct hvp_share){
            .d = {.struct_size = sizeof(shares[i]), .kind = HVP_DEV_SHARE, .tag = tags[i]},
            .dir = "/d",
            .fs = HVP_FS_9P};
        devices[i] = &shares[i].d;
    }
    s.spec.devices = devices;
    s.spec.n_devices = 26;
    CHECK_OK(build(&s), s.err);
    args_done(&s.args);
    s.spec.n_devices = 27;
    CHECK_ERR(build(&s), -ENOSPC);
    CHECK_CONTAINS(s.err.msg, "no slot left");
    args_done(&s.args);
}

TEST(a_vm_to_be_restored_waits_for_its_state)
{
    struct setup s;

    setup(&s);
    CHECK_OK(build(&s), s.err);
    CHECK(!value(&s, "-incoming", ""));
    args_done(&s.args);
    s.c.incoming = true;
    CHECK_OK(build(&s), s.err);
    CHECK_STR_EQ(value(&s, "-incoming", ""), "defer");
    args_done(&s.args);
}

TEST(what_the_vm_cannot_be_is_refused)
{
    const struct hvp_kv option = {"huge", "1"};
    struct setup s;

    setup(&s);
    s.spec.vcpus = s.spec.vcpus_max = 300;
    CHECK_ERR(build(&s), -EINVAL);
    setup(&s);
    s.spec.memory = MIB;
    CHECK_ERR(build(&s), -EINVAL);
    setup(&s);
    s.spec.vcpus_max = 300;
    CHECK_ERR(build(&s), -EINVAL);
    setup(&s);
    s.spec.vcpus_max = 3;
    s.c.machine = machine_find("x86_64", "microvm");
    CHECK_ERR(build(&s), -ENOTSUP);
    CHECK_CONTAINS(s.err.msg, "machine 'microvm' gets no more vCPUs");
    setup(&s);
    s.c.machine = machine_find("x86_64", "microvm");
    s.spec.memory_max = 1024 * MIB;
    CHECK_ERR(build(&s), -ENOTSUP);
    CHECK_CONTAINS(s.err.msg, "machine 'microvm'");
    setup(&s);
    s.spec.options = &option;
    s.spec.n_options = 1;
    CHECK_ERR(build(&s), -EINVAL);
    CHECK_CONTAINS(s.err.msg, "'huge'");
    args_done(&s.args);
}
