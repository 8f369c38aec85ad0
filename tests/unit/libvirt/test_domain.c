/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include "kvm/libvirt/domain.h"

#define MIB (UINT64_C(1) << 20)
#define UUID "0e8b5c5e-0000-4000-8000-000000000001"

/* A description that builds; each test changes what it is about. */
struct setup {
    struct hvp_vm_spec spec;
    struct lv_config config;
    struct lv_domain d;
    struct hvp_error err;
    struct xml x;
};

static void setup(struct setup *s)
{
    *s = (struct setup){.spec = {.struct_size = sizeof(s->spec),
                                 .id = "web+1.a",
                                 .uuid = UUID,
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
                                 .n_channels = 1},
                        .err = {.struct_size = sizeof(s->err)}};
    lv_config_init(&s->config);
    s->d = (struct lv_domain){.spec = &s->spec,
                              .config = &s->config,
                              .machine = machine_find("x86_64", "q35"),
                              .accel = ACCEL_TCG,
                              .emulator = "/usr/bin/qemu"};
}

static void done(struct setup *s)
{
    xml_done(&s->x);
    lv_config_done(&s->config);
}

static bool has(const struct setup *s, const char *part)
{
    return strstr(s->x.text ? s->x.text : "", part) != NULL;
}

TEST(a_domain_has_our_name_uuid_and_metadata)
{
    const struct hvp_kv metadata[] = {{"class", "a<b"}, {"Not a name", "x"}, {"pod", ""}};
    struct setup s;

    setup(&s);
    s.spec.metadata = metadata;
    s.spec.n_metadata = 3;
    CHECK_INT_EQ(lv_domain_xml(&s.x, &s.d, &s.err), 0);
    CHECK(has(&s, "<domain type='qemu'><name>anyvisor-web+1.a</name><uuid>" UUID "</uuid>"));
    CHECK(has(&s, "<metadata><anyvisor:sandbox xmlns:anyvisor='" LV_METADATA_URI
                  "'><id>web+1.a</id><class>a&lt;b</class><pod></pod><run_dir>/run/x</run_dir></"
                  "anyvisor:sandbox></metadata>"));
    CHECK(has(&s, "<memory unit='b'>536870912</memory><vcpu>2</vcpu>"));
    CHECK(has(&s, "<cmdline>quiet console=ttyS0 no_timer_check</cmdline>"));
    CHECK(has(&s, "<cpu mode='maximum'><feature policy='disable' name='erms'/>"
                  "<feature policy='disable' name='fsrm'/></cpu>"));
    CHECK(has(&s, "<on_reboot>destroy</on_reboot>"));
    CHECK(has(&s, "<source mode='bind' path='/run/x/agent0.sock'/>"
                  "<target type='virtio' name='org.anyvisor.agent.0'/>"));
    CHECK(!has(&s, "<seclabel"));
    CHECK(!has(&s, "<partition>"));
    CHECK(!has(&s, "<log "));
    done(&s);
}

TEST(what_the_configuration_and_the_host_say_is_in_it)
{
    struct setup s;

    setup(&s);
    s.d.accel = ACCEL_KVM;
    s.d.as_root = true;
    s.d.firmware = "/fw";
    s.spec.console_log = "/c.log";
    CHECK_INT_EQ(lv_config_set(&s.config, "x86_64", "partition", "/machine/av", &s.err), 0);
    CHECK_INT_EQ(lv_config_set(&s.config, "x86_64", "hotplug_ports", "2", &s.err), 0);
    CHECK_INT_EQ(lv_domain_xml(&s.x, &s.d, &s.err), 0);
    CHECK(has(&s, "<domain type='kvm'>"));
    CHECK(has(&s, "<cpu mode='host-passthrough'/>"));
    CHECK(has(&s, "<cmdline>quiet console=ttyS0</cmdline>"));
    CHECK(has(&s, "<loader readonly='yes' type='rom'>/fw</loader>"));
    CHECK(has(&s, "<resource><partition>/machine/av</partition></resource>"));
    CHECK(has(&s, "<log file='/c.log' append='on'/>"));
    CHECK(has(&s, "<seclabel type='static' model='dac' relabel='no'><label>+0:+0</label>"));
    CHECK(has(&s, "index='2' model='pcie-root-port'"));
    CHECK(!has(&s, "index='3' model='pcie-root-port'"));
    done(&s);
}

TEST(a_vm_that_may_grow_has_an_empty_device_for_it)
{
    struct setup s;

    setup(&s);
    s.spec.memory_max = 1000 * MIB;
    CHECK_INT_EQ(lv_domain_xml(&s.x, &s.d, &s.err), 0);
    CHECK(has(&s, "<maxMemory slots='1' unit='b'>1073741824</maxMemory>"
                  "<memory unit='b'>1073741824</memory>"));
    CHECK(has(&s, "<feature policy='disable' name='fsrm'/><numa><cell id='0' cpus='0-1' "
                  "memory='536870912' unit='b'/></numa></cpu>"));
    CHECK(has(&s, "<memory model='virtio-mem'><target><size unit='b'>536870912</size>"
                  "<node>0</node><block unit='b'>4194304</block><requested unit='b'>0</requested>"
                  "</target><alias name='ua-room'/>"));
    CHECK(has(&s, " memhp_default_state=online</cmdline>"));
    done(&s);
}

TEST(a_vm_that_may_have_more_processors_says_how_many)
{
    struct setup s;

    setup(&s);
    CHECK_INT_EQ(lv_domain_xml(&s.x, &s.d, &s.err), 0);
    CHECK(has(&s, "<vcpu>2</vcpu>"));
    done(&s);
    setup(&s);
    s.spec.vcpus_max = 6;
    s.spec.memory_max = 1000 * MIB;
    CHECK_INT_EQ(lv_domain_xml(&s.x, &s.d, &s.err), 0);
    CHECK(has(&s, "<vcpu current='2'>6</vcpu>"));
    CHECK(has(&s, "<cell id='0' cpus='0-5' "));
    done(&s);
}

TEST(a_classs_processor_is_said_in_libvirts_words)
{
    static const struct {
        const char *model, *want; /* NULL = refused */
    } t[] = {
        {"max", "<cpu mode='maximum'/>"},
        {"host,pmu=off",
         "<cpu mode='host-passthrough'><feature policy='disable' name='pmu'/></cpu>"},
        {"Nehalem", "<cpu mode='custom' match='exact'><model>Nehalem</model></cpu>"},
        {"Nehalem,+avx2,aes=on", "<model>Nehalem</model><feature policy='require' name='avx2'/>"
                                 "<feature policy='require' name='aes'/></cpu>"},
        {"max,level=13", NULL},
        {"max,erms", NULL},
        {"max,-erms=on", NULL},
        {",", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        struct setup s;

        setup(&s);
        s.spec.cpu_model = t[i].model;
        CHECK_INT_EQ(lv_domain_xml(&s.x, &s.d, &s.err), t[i].want ? 0 : -EINVAL);
        if (t[i].want && !has(&s, t[i].want))
            TEST_FAIL("%s: %s", t[i].model, s.x.text);
        done(&s);
    }
}

TEST(a_time_limit_that_this_libvirt_would_ignore_is_refused)
{
    const struct hvp_kv timeout = {"timeout", "9"};
    struct hvp_disk k = {.d = {.tag = "data"}, .protocol = HVP_PROTO_NBD};
    struct hvp_error err = {.struct_size = sizeof(err)};

    CHECK_INT_EQ(lv_disk_check_version(&k, 9000000, &err), 0);
    k.options = &timeout;
    k.n_options = 1;
    CHECK_INT_EQ(lv_disk_check_version(&k, 9000000, &err), -ENOTSUP);
    CHECK_INT_EQ(lv_disk_check_version(&k, 9001000, &err), 0);
}

TEST(sizes_and_options_that_cannot_be_had_are_refused)
{
    const struct hvp_kv option = {"nonsense", "1"};
    struct setup s;

    setup(&s);
    s.spec.n_channels = LV_MAX_CHANNELS + 1;
    CHECK_INT_EQ(lv_domain_xml(&s.x, &s.d, &s.err), -EINVAL);
    s.spec.n_channels = 1;
    s.spec.options = &option;
    s.spec.n_options = 1;
    CHECK_INT_EQ(lv_domain_xml(&s.x, &s.d, &s.err), -EINVAL);
    s.spec.n_options = 0;
    s.spec.cmdline = "a\nb";
    CHECK_INT_EQ(lv_domain_xml(&s.x, &s.d, &s.err), -EINVAL);
    done(&s);
}

/* One device's XML; check says what lv_device_check returns. */
static void device(struct setup *s, const struct hvp_device *dev, int check)
{
    const struct lv_place at = {.bus = 3, .number = 27};

    xml_done(&s->x);
    CHECK_INT_EQ(lv_device_check(dev, &s->err), check);
    if (check == 0)
        lv_device_xml(&s->x, dev, &at, UUID);
}

TEST(disks_say_where_their_bytes_come_from)
{
    const struct hvp_kv nbd[] = {{"host", "h"}, {"export", "e"}, {"timeout", "9"}};
    const struct hvp_kv iscsi[] = {
        {"portal", "[fd00::1]:3261"}, {"target", "iqn.x:y"}, {"lun", "3"}, {"user", "u"}};
    const struct hvp_kv rbd[] = {{"pool", "p"}, {"image", "i"}, {"namespace", "n"}, {"conf", "/c"}};
    const struct hvp_kv by_name[] = {
        {"pool", "p"}, {"image", "i"}, {"mon", "a:1,[fd00::2]:2"}, {"namespace", "m"}};
    struct hvp_disk k = {
        .d = {.struct_size = sizeof(k), .kind = HVP_DEV_DISK, .tag = "data", .flags = 1},
        .protocol = HVP_PROTO_FILE,
        .format = HVP_FORMAT_QCOW2,
        .path = "/a'b"};
    struct setup s;

    setup(&s);
    device(&s, &k.d, 0);
    CHECK(has(&s, "<disk type='file' device='disk'"));
    CHECK(has(&s, "<source file='/a&apos;b'/><backingStore/><target dev='vdab' bus='virtio'/>"
                  "<readonly/><serial>data</serial><alias name='ua-d27'/>"
                  "<address type='pci' bus='3' slot='0'/>"));
    k.protocol = HVP_PROTO_NBD;
    k.format = HVP_FORMAT_RAW;
    k.cache = HVP_CACHE_NONE;
    k.discard = 1;
    k.options = nbd;
    k.n_options = 3;
    device(&s, &k.d, 0);
    CHECK(has(&s, "type='raw' cache='none' discard='unmap' error_policy='report'"));
    CHECK(has(&s, "<source protocol='nbd' name='e'><host name='h' port='10809'/>"
                  "<reconnect delay='9'/></source>"));
    k.protocol = HVP_PROTO_ISCSI;
    k.options = iscsi;
    k.n_options = 4;
    k.secret_file = "/s";
    device(&s, &k.d, 0);
    CHECK(has(&s, "<source protocol='iscsi' name='iqn.x:y/3'><host name='fd00::1' port='3261'/>"
                  "<auth username='u'><secret type='iscsi' usage='anyvisor " UUID
                  " data'/></auth></source>"));
    k.protocol = HVP_PROTO_RBD;
    k.options = rbd;
    k.secret_file = NULL;
    device(&s, &k.d, 0);
    CHECK(has(&s, "<source protocol='rbd' name='p/n/i'><config file='/c'/></source>"));
    k.options = by_name;
    device(&s, &k.d, 0);
    CHECK(
        has(&s, "name='p/m/i'><host name='a' port='1'/><host name='fd00::2' port='2'/></source>"));
    done(&s);
}

TEST(disks_that_libvirt_has_no_words_for_are_refused)
{
    const struct hvp_kv tls[] = {{"host", "h"}, {"tls_dir", "/t"}};
    const struct hvp_kv timeout[] = {{"portal", "h"}, {"target", "t"}, {"timeout", "3"}};
    struct hvp_disk k = {.d = {.struct_size = sizeof(k), .kind = HVP_DEV_DISK, .tag = "d"},
                         .protocol = HVP_PROTO_FILE,
                         .format = HVP_FORMAT_VHDX,
                         .path = "/p"};
    struct setup s;

    setup(&s);
    device(&s, &k.d, -ENOTSUP);
    k.format = HVP_FORMAT_RAW;
    k.protocol = HVP_PROTO_NBD;
    k.options = tls;
    k.n_options = 2;
    device(&s, &k.d, -ENOTSUP);
    k.protocol = HVP_PROTO_ISCSI;
    k.options = timeout;
    k.n_options = 3;
    device(&s, &k.d, -ENOTSUP);
    k.n_options = 2;
    device(&s, &k.d, 0);
    k.format = HVP_FORMAT_QCOW2;
    device(&s, &k.d, -ENOTSUP);
    done(&s);
}

TEST(nics_are_taps_that_libvirt_makes)
{
    struct hvp_nic n = {.d = {.struct_size = sizeof(n),
                              .kind = HVP_DEV_NIC,
                              .tag = "eth0",
                              .flags = HVP_F_LINK_DOWN},
                        .queues = 2,
                        .mtu = 1400,
                        .mac = {2, 0, 0, 0, 0, 0xab}};
    const int tap = 7;
    struct setup s;

    setup(&s);
    device(&s, &n.d, 0);
    CHECK(has(&s, "<interface type='ethernet'><mac address='02:00:00:00:00:ab'/>"
                  "<target dev='av4985b08d-27'/>"));
    CHECK(has(&s, "<driver name='qemu' queues='2'/><link state='down'/><mtu size='1400'/>"));
    n.ifname = "tap-of-a-very-long-name";
    device(&s, &n.d, -EINVAL);
    n.ifname = NULL;
    n.tap_fds = &tap;
    device(&s, &n.d, -ENOTSUP);
    done(&s);
}

TEST(shares_keep_the_owners_of_their_files_unless_told_otherwise)
{
    struct hvp_kv model = {"security_model", "mapped-xattr"};
    struct hvp_share share = {
        .d = {.struct_size = sizeof(share), .kind = HVP_DEV_SHARE, .tag = "share"},
        .dir = "/share",
        .fs = HVP_FS_9P,
        .options = &model};
    struct setup s;

    setup(&s);
    device(&s, &share.d, 0);
    CHECK(has(&s, "accessmode='passthrough' multidevs='remap'"));
    CHECK(has(&s, "<source dir='/share'/><target dir='share'/>"));
    share.n_options = 1;
    device(&s, &share.d, 0);
    CHECK(has(&s, "accessmode='mapped'"));
    done(&s);
}
