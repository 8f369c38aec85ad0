/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives one back-end through hvp.h alone: the same life of a VM for every plug-in.
 *
 *     driver PLUGIN.so [--kernel FILE] [--initrd FILE] [--config KEY=VALUE]...
 *
 * A step that the plug-in's capabilities exclude prints "skip" and the capability.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "host.h"

#define HELLO_MS 90000u /* emulated boot on a loaded machine */
#define OP_MS 20000u
#define CMDLINE "quiet loglevel=1 panic=-1 random.trust_cpu=on"
#define MIB (UINT64_C(1) << 20)

static const struct hvp_plugin *plugin;
static void *inst;
static struct hvp_caps caps = {.struct_size = sizeof(caps)};
static struct hvp_error err = {.struct_size = sizeof(err)};
static const char *kernel = "", *initrd = "";
static char run_dir[] = "/tmp/av-driver.XXXXXX", share_dir[64], console_log[64], template_dir[80];
static int failed, n_vms;

static void result(bool good, const char *what)
{
    printf("%s %s\n", good ? "ok" : "not ok", what);
    fflush(stdout);
    failed += !good;
}

/* One op that must succeed; returns whether it did. */
static bool ok(int r, const char *what)
{
    result(r == 0, what);
    if (r != 0)
        printf("# %s: %d (%s): %s\n", what, r, strerror(-r), err.msg);
    return r == 0;
}

static bool can(uint64_t flag, const char *name, const char *what)
{
    if (!(caps.flags & flag))
        printf("# skip %s: the back-end has no %s\n", what, name);
    return caps.flags & flag;
}

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* A tap of its own network namespace; -1 = there is none to be had. */
static int make_tap(void)
{
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (fd >= 0 && ioctl(fd, TUNSETIFF, &r) < 0) {
        close(fd);
        fd = -1;
    }
    if (fd < 0)
        printf("# skip NICs: no tap: %s\n", strerror(errno));
    return fd;
}

static struct hvp_nic nic(const char *tag, const int *tap, uint8_t last, uint32_t flags)
{
    return (struct hvp_nic){.d = {.struct_size = sizeof(struct hvp_nic),
                                  .kind = HVP_DEV_NIC,
                                  .flags = flags,
                                  .tag = tag},
                            .tap_fds = tap,
                            .queues = 1,
                            .mtu = 1400,
                            .mac = {2, 0, 0, 0, 0, last}};
}

/* Equal descriptions have equal keys, a VM of another size has another one. */
static void check_key(const struct hvp_vm_spec *spec)
{
    char key[HVP_REF_MAX] = "", same[HVP_REF_MAX] = "", other[HVP_REF_MAX] = "";
    struct hvp_vm_spec larger = *spec;

    larger.memory = larger.memory_max = 2 * spec->memory;
    result(plugin->template_key(inst, spec, key, sizeof(key), &err) == 0 &&
               plugin->template_key(inst, spec, same, sizeof(same), &err) == 0 &&
               plugin->template_key(inst, &larger, other, sizeof(other), &err) == 0 &&
               strcmp(key, same) == 0 && strcmp(key, other) != 0,
           "the template's key names what must be equal");
}

/* dir NULL = a new VM, else one from what was saved there; template: where it will be saved. */
static void *build(const char *id, const char *uuid, const char *cmdline, int tap, const char *dir,
                   const char *template)
{
    char own_dir[80];
    const struct hvp_nic cold = nic("eth0", &tap, 1, HVP_F_LINK_DOWN);
    const struct hvp_share share = {
        .d = {.struct_size = sizeof(share), .kind = HVP_DEV_SHARE, .tag = "share"},
        .dir = share_dir,
        .fs = HVP_FS_9P};
    const struct hvp_device *const devices[] = {&share.d, &cold.d};
    const struct hvp_vm_spec spec = {.struct_size = sizeof(spec),
                                     .id = id,
                                     .uuid = uuid,
                                     .vcpus = 1,
                                     .vcpus_max = 1,
                                     .memory = 256 * MIB,
                                     .memory_max = 256 * MIB,
                                     .machine = "",
                                     .cpu_model = "",
                                     .kernel = kernel,
                                     .initrd = initrd,
                                     .cmdline = cmdline,
                                     .run_dir = own_dir,
                                     .console_log = console_log,
                                     .devices = devices,
                                     .n_devices = tap >= 0 ? 2 : 1,
                                     .n_channels = 1,
                                     .template_dir = template};
    void *vm = NULL;

    if (caps.flags & HVP_CAP_TEMPLATE)
        check_key(&spec);
    snprintf(own_dir, sizeof(own_dir), "%s/vm%d", run_dir, ++n_vms);
    mkdir(own_dir, 0700);
    if (dir)
        ok(plugin->vm_restore(inst, &spec, dir, 0, OP_MS, &vm, &err), "a saved VM is restored");
    else
        ok(plugin->vm_create(inst, &spec, OP_MS, &vm, &err), "a VM is created");
    return vm;
}

static void *create(const char *id, const char *uuid, int tap)
{
    return build(id, uuid, CMDLINE, tap, NULL, "");
}

/* The head of a frame of the agent's protocol: type, no body, id 0. */
static void put_head(uint8_t head[16], uint8_t type, uint32_t seq)
{
    memset(head, 0, 16);
    head[0] = 0xa5;
    head[1] = 0x56;
    head[2] = type;
    memcpy(head + 12, &seq, sizeof(seq)); /* read back as it was written */
}

/* Reads until a HELLO with this number passes by; what comes before is an older session's. */
static bool read_hello(int fd, uint32_t seq, uint32_t ms)
{
    uint64_t end = now_ms() + ms, now;
    uint8_t last[16] = {0}, want[16];

    put_head(want, 1, seq);
    while ((now = now_ms()) < end) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        if (poll(&p, 1, (int)(end - now)) <= 0)
            continue;
        memmove(last, last + 1, 15);
        if (read(fd, last + 15, 1) <= 0)
            return false;
        memcpy(want + 4, last + 4, 4); /* its length is not ours to know */
        if (memcmp(last, want, 16) == 0)
            return true;
    }
    return false;
}

static bool hello(void *vm)
{
    static uint32_t session;
    uint64_t start = now_ms();
    uint8_t head[16];
    bool heard;
    int fd;

    if (!ok(plugin->agent_open(vm, 0, OP_MS, &fd, &err), "the agent's channel opens"))
        return false;
    result(fcntl(fd, F_GETFD) & FD_CLOEXEC && !(fcntl(fd, F_GETFL) & O_NONBLOCK),
           "the channel is CLOEXEC and blocking");
    put_head(head, 47, ++session);
    heard =
        write(fd, head, sizeof(head)) == (ssize_t)sizeof(head) && read_hello(fd, session, HELLO_MS);
    result(heard, "the agent answers ATTACH with HELLO");
    printf("# the agent's HELLO came after %llu ms\n", (unsigned long long)(now_ms() - start));
    close(fd);
    return heard;
}

static uint32_t state_of(void *vm)
{
    uint32_t state = 0;

    plugin->vm_state(vm, &state, &err);
    return state;
}

/* The next event's kind, 0 = none came in time. */
static uint32_t wait_event(void *vm, uint32_t ms)
{
    struct hvp_event ev = {.struct_size = sizeof(ev)};
    uint64_t end = now_ms() + ms, now;
    int fd, r = -EAGAIN;

    if (plugin->event_fd(vm, &fd, &err) < 0)
        return 0;
    while (r == -EAGAIN && (now = now_ms()) < end) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        if (poll(&p, 1, (int)(end - now)) > 0)
            r = plugin->event_next(vm, &ev, &err);
    }
    if (r == 0)
        printf("# event %u, status %d: %s\n", ev.kind, ev.status, ev.msg);
    return r == 0 ? ev.kind : 0;
}

static void check_pause(void *vm)
{
    if (!can(HVP_CAP_PAUSE, "PAUSE", "pause and resume"))
        return;
    ok(plugin->vm_pause(vm, OP_MS, &err), "a running VM pauses");
    result(state_of(vm) == HVP_VM_PAUSED, "a paused VM says so");
    ok(plugin->vm_resume(vm, OP_MS, &err), "a paused VM resumes");
    result(state_of(vm) == HVP_VM_RUNNING, "a resumed VM runs");
}

static void check_stats(void *vm)
{
    struct hvp_stats st = {.struct_size = sizeof(st)};

    if (!can(HVP_CAP_STATS, "STATS", "statistics"))
        return;
    ok(plugin->vm_stats(vm, OP_MS, &st, &err), "statistics are given");
    result(!(st.valid & HVP_STAT_CPU) || st.cpu_ns > 0, "the VM has used CPU time");
    result(!(st.valid & HVP_STAT_MEM) || st.mem_used > 0, "the VM uses memory");
}

static void check_addr(void *vm)
{
    char addr[HVP_ADDR_MAX] = "";

    if (!can(HVP_CAP_DEVICE_ADDR, "DEVICE_ADDR", "the share's address"))
        return;
    ok(plugin->device_addr(vm, "share", addr, sizeof(addr), &err), "the share has an address");
    result(strncmp(addr, "tag:", 4) == 0 || strncmp(addr, "xen:", 4) == 0 ||
               strncmp(addr, "dir:/", 5) == 0,
           "the share's address is a tag or a directory");
    result(plugin->device_addr(vm, "nobody", addr, sizeof(addr), &err) < 0,
           "an unknown device has no address");
}

static int32_t pid_of(void *vm)
{
    int32_t pid = 0;
    size_t n = 0;

    if (!(caps.flags & HVP_CAP_PIDS) || plugin->vm_pids(vm, &pid, 1, &n, &err) < 0 || n < 1)
        return 0;
    return pid;
}

/* Containers are mounted below the share while the VM runs.  A real guest is asked by its agent's
 * tests; one in namespaces is looked at from outside. */
static void check_share(void *vm)
{
    char addr[HVP_ADDR_MAX] = "", path[300], dir[80];
    int32_t vmm = pid_of(vm), guest = 0;
    FILE *f;

    if (!(caps.flags & HVP_CAP_DEVICE_ADDR) || vmm <= 0 ||
        plugin->device_addr(vm, "share", addr, sizeof(addr), &err) < 0 ||
        strncmp(addr, "dir:", 4) != 0)
        return;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", vmm, vmm);
    f = fopen(path, "re");
    if (!f || fscanf(f, "%d", &guest) != 1)
        guest = 0;
    if (f)
        fclose(f);
    snprintf(dir, sizeof(dir), "%s/late", share_dir);
    snprintf(path, sizeof(path), "%s/file", dir);
    if (mkdir(dir, 0700) < 0 || mount("late", dir, "tmpfs", 0, NULL) < 0 || mkdir(path, 0700) < 0)
        return result(false, "something is mounted below the share");
    snprintf(path, sizeof(path), "/proc/%d/root%s/late/file", guest, addr + 4);
    result(guest > 0 && access(path, F_OK) == 0, "the guest sees what is mounted there later");
    umount2(dir, MNT_DETACH);
    result(access(path, F_OK) < 0, "and sees it go");
    rmdir(dir);
}

static void check_disk(void *vm)
{
    char path[80], addr[HVP_ADDR_MAX] = "";
    const struct hvp_disk disk = {
        .d = {.struct_size = sizeof(disk), .kind = HVP_DEV_DISK, .tag = "hot"},
        .protocol = HVP_PROTO_FILE,
        .format = HVP_FORMAT_RAW,
        .path = path};
    int fd, r;

    if (!(caps.hotplug & 1u << HVP_DEV_DISK)) {
        printf("# skip hot-plug: the back-end adds no disks to a running VM\n");
        return;
    }
    snprintf(path, sizeof(path), "%s/disk", run_dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)MIB) < 0)
        return result(false, "an image for the disk is made");
    close(fd);
    ok(plugin->device_attach(vm, &disk.d, OP_MS, &err), "a disk is added to the running VM");
    result(plugin->device_attach(vm, &disk.d, OP_MS, &err) == -EEXIST,
           "the same tag is refused twice");
    ok(plugin->device_addr(vm, "hot", addr, sizeof(addr), &err), "the new disk has an address");
    printf("# its address: %s\n", addr);
    do /* the guest may not have noticed the disk yet: then it does not let go either */
        r = plugin->device_detach(vm, "hot", OP_MS, &err);
    while (r == -EAGAIN);
    ok(r, "the disk is removed from the running VM");
}

static void check_reopen(void *vm)
{
    char ref[HVP_REF_MAX];
    void *again = NULL;
    uint32_t state = 0;

    if (!ok(plugin->vm_ref(vm, ref, sizeof(ref), &err), "the VM has a reference"))
        return;
    printf("# reference: %s\n", ref);
    if (!ok(plugin->vm_reopen(inst, ref, OP_MS, &again, &err), "the VM is found by it"))
        return;
    ok(plugin->vm_state(again, &state, &err), "a VM that was found has a state");
    plugin->vm_close(again);
    result(plugin->vm_reopen(inst, "nonsense", OP_MS, &again, &err) < 0,
           "nonsense is no reference");
}

static void check_gone(void *vm, int32_t pid)
{
    char ref[HVP_REF_MAX];
    void *again = NULL;

    result(pid <= 0 || (kill(pid, 0) < 0 && errno == ESRCH), "the VMM's process is gone");
    if (plugin->vm_ref(vm, ref, sizeof(ref), &err) == 0)
        result(plugin->vm_reopen(inst, ref, OP_MS, &again, &err) == -ENOENT,
               "a VM that is gone is not found");
}

static void check_nics(void *vm)
{
    int tap = caps.flags & HVP_CAP_NIC_FD ? make_tap() : -1;
    const struct hvp_nic up = nic("eth0", NULL, 1, 0), hot = nic("eth1", &tap, 2, 0);

    if (tap < 0)
        return;
    ok(plugin->device_update(vm, &up.d, OP_MS, &err), "the link of a NIC comes up");
    if (caps.hotplug & 1u << HVP_DEV_NIC)
        ok(plugin->device_attach(vm, &hot.d, OP_MS, &err), "a NIC is added to the running VM");
    if (caps.unplug & 1u << HVP_DEV_NIC)
        ok(plugin->device_detach(vm, "eth1", OP_MS, &err), "it is removed again");
    close(tap);
}

static void check_console(void *vm)
{
    int fd;

    if (!can(HVP_CAP_CONSOLE, "CONSOLE", "the console"))
        return;
    if (ok(plugin->console_open(vm, OP_MS, &fd, &err), "the console opens"))
        close(fd);
}

/* The stream of a closed channel is the VMM's to forget: a second one must work as well. */
static void check_channel_again(void *vm)
{
    int fd;

    if (ok(plugin->agent_open(vm, 0, OP_MS, &fd, &err), "the agent's channel opens again"))
        close(fd);
    result(plugin->agent_open(vm, 99, OP_MS, &fd, &err) < 0, "there is no channel 99");
}

/* FNV-1a of a file's content; 0 = there is none. */
static uint64_t sum_of(const char *path)
{
    uint64_t sum = 14695981039346656037u;
    FILE *f = fopen(path, "re");
    uint64_t words[512];
    size_t n;

    if (!f)
        return 0;
    while ((n = fread(words, sizeof(words[0]), 512, f)) > 0)
        for (size_t i = 0; i < n; i++)
            sum = (sum ^ words[i]) * 1099511628211u;
    fclose(f);
    return sum;
}

static void *clone_of(const char *dir, const char *uuid, bool has_nic)
{
    uint64_t start = now_ms();
    int tap = has_nic ? make_tap() : -1; /* the same devices as the template */
    void *vm = build("driver-clone", uuid, CMDLINE, tap, dir, "");

    if (tap >= 0)
        close(tap);
    printf("# restored in %llu ms\n", (unsigned long long)(now_ms() - start));
    return vm;
}

static void live_and_die(void *clone)
{
    result(state_of(clone) == HVP_VM_PAUSED, "a restored VM is paused");
    ok(plugin->vm_resume(clone, OP_MS, &err), "a restored VM resumes");
    result(state_of(clone) == HVP_VM_RUNNING, "a resumed clone runs");
    hello(clone);
    ok(plugin->vm_destroy(clone, OP_MS, &err), "a clone is destroyed");
    plugin->vm_close(clone);
}

static void save(void *vm, const char *dir)
{
    uint64_t start = now_ms();

    ok(plugin->vm_pause(vm, OP_MS, &err), "the template pauses");
    ok(plugin->vm_save(vm, dir, 0, HELLO_MS, &err), "a paused VM is saved");
    printf("# saved in %llu ms\n", (unsigned long long)(now_ms() - start));
    result(state_of(vm) == HVP_VM_PAUSED, "it stays paused");
}

/* A VM may be saved anywhere, with all of its memory, and go on. */
static void check_snapshot(void *vm, bool has_nic)
{
    char dir[80], file[100];
    void *clone;

    if (!can(HVP_CAP_SNAPSHOT, "SNAPSHOT", "saving"))
        return;
    snprintf(dir, sizeof(dir), "%s/saved", run_dir);
    snprintf(file, sizeof(file), "%s/state", dir);
    mkdir(dir, 0700);
    result(plugin->vm_save(vm, dir, 0, OP_MS, &err) < 0, "a running VM is not saved");
    save(vm, dir);
    ok(plugin->vm_resume(vm, OP_MS, &err), "a saved VM resumes");
    clone = clone_of(dir, "22222222-2222-3333-4444-555555555550", has_nic);
    if (clone)
        live_and_die(clone);
    unlink(file);
    rmdir(dir);
}

/* Two VMs at once from the template: both go on where it was, and neither changes it. */
static void check_template(void *vm, bool has_nic)
{
    static const char *const uuids[] = {"22222222-2222-3333-4444-555555555551",
                                        "22222222-2222-3333-4444-555555555552"};
    void *clone[2] = {NULL, NULL};
    char memory[120];
    uint64_t before;

    if (!can(HVP_CAP_TEMPLATE, "TEMPLATE", "templates"))
        return;
    save(vm, template_dir);
    snprintf(memory, sizeof(memory), "%s/memory", template_dir);
    before = sum_of(memory);
    for (int i = 0; i < 2; i++)
        clone[i] = clone_of(template_dir, uuids[i], has_nic);
    for (int i = 0; i < 2 && clone[i]; i++)
        live_and_die(clone[i]);
    result(sum_of(memory) == before, "clones leave the template as it was");
}

static void life(void)
{
    int tap = caps.flags & HVP_CAP_NIC_FD ? make_tap() : -1;
    void *vm;
    int32_t pid;

    snprintf(template_dir, sizeof(template_dir), "%s/template", run_dir);
    mkdir(template_dir, 0700);
    vm = build("driver-1", "11111111-2222-3333-4444-555555555555", CMDLINE, tap, NULL,
               caps.flags & HVP_CAP_TEMPLATE ? template_dir : "");

    if (tap >= 0)
        close(tap); /* the VMM has its own */

    if (!vm)
        return;
    result(state_of(vm) == HVP_VM_CREATED, "a new VM has not started");
    if (ok(plugin->vm_start(vm, OP_MS, &err), "the VM starts") && hello(vm)) {
        result(state_of(vm) == HVP_VM_RUNNING, "a started VM runs");
        check_pause(vm);
        check_stats(vm);
        check_addr(vm);
        check_share(vm);
        check_disk(vm);
        check_nics(vm);
        check_console(vm);
        check_channel_again(vm);
        check_reopen(vm);
        check_snapshot(vm, tap >= 0);
        check_template(vm, tap >= 0); /* the last one: it does not run on */
    }
    pid = pid_of(vm);
    ok(plugin->vm_destroy(vm, OP_MS, &err), "the VM is destroyed");
    ok(plugin->vm_destroy(vm, OP_MS, &err), "it may be destroyed again");
    result(state_of(vm) == HVP_VM_STOPPED, "a destroyed VM is stopped");
    result(wait_event(vm, 0) == 0, "what we did ourselves is no event");
    check_gone(vm, pid);
    plugin->vm_close(vm);
}

static void killed_from_outside(void)
{
    void *vm = create("driver-2", "99999999-2222-3333-4444-555555555555", -1);
    int32_t pid;

    if (!vm)
        return;
    /* Once in each state: a real boot is dear, so a VM with a kernel dies before it runs. */
    if (!kernel[0] && ok(plugin->vm_start(vm, OP_MS, &err), "a VM to be killed starts"))
        hello(vm);
    pid = pid_of(vm);
    if (pid > 0) {
        kill(pid, SIGKILL);
        result(wait_event(vm, OP_MS) == HVP_EVENT_KILLED, "a killed VMM is an event");
        result(wait_event(vm, 0) == 0, "the end of a VM is told once");
        result(state_of(vm) == HVP_VM_CRASHED, "its VM has crashed");
        result(plugin->vm_start(vm, OP_MS, &err) < 0, "a dead VM does not start");
    }
    ok(plugin->vm_destroy(vm, OP_MS, &err), "a dead VM is destroyed");
    check_gone(vm, pid);
    plugin->vm_close(vm);
}

/* Only where there is a kernel that could panic. */
static void panics(void)
{
    void *vm = NULL;

    if (kernel[0])
        vm = build("driver-3", "33333333-2222-3333-4444-555555555555",
                   CMDLINE " rdinit=/none root=/dev/none", -1, NULL, "");
    if (!vm)
        return;
    if (ok(plugin->vm_start(vm, OP_MS, &err), "a VM without init starts"))
        result(wait_event(vm, HELLO_MS) == HVP_EVENT_PANIC, "its kernel's panic is an event");
    result(state_of(vm) == HVP_VM_CRASHED, "a VM that panicked has crashed");
    ok(plugin->vm_destroy(vm, OP_MS, &err), "a VM that panicked is destroyed");
    result(wait_event(vm, 0) == 0, "its end is told once");
    plugin->vm_close(vm);
}

static int count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static void load_plugin(const char *so)
{
    void *dl = dlopen(so, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    hvp_entry *entry = NULL;

    if (dl)
        *(void **)&entry = dlsym(dl, "hvp_plugin_v1");
    if (!entry) {
        printf("Bail out! %s\n", dlerror());
        exit(1);
    }
    plugin = entry();
}

static void configure(char *pair)
{
    char *value = strchr(pair, '=');

    if (!value) {
        printf("Bail out! --config needs KEY=VALUE\n");
        exit(2);
    }
    *value++ = '\0';
    ok(plugin->config(inst, pair, value, &err), "a configuration key is taken");
}

static void arguments(int argc, char **argv)
{
    for (int i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--kernel") == 0)
            kernel = argv[i + 1];
        else if (strcmp(argv[i], "--initrd") == 0)
            initrd = argv[i + 1];
        else if (strcmp(argv[i], "--config") == 0)
            configure(argv[i + 1]);
    }
}

/* What a plug-in mounts for its VM, and our taps, end with this process. */
static void own_namespaces(void)
{
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        printf("Bail out! unshare: %s (the test needs root)\n", strerror(errno));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    int before;

    if (argc < 2)
        return 2;
    own_namespaces();
    if (!mkdtemp(run_dir))
        return 1;
    snprintf(share_dir, sizeof(share_dir), "%s/share", run_dir);
    snprintf(console_log, sizeof(console_log), "%s/console.log", run_dir);
    mkdir(share_dir, 0700);
    load_plugin(argv[1]);
    before = count_fds();
    if (!ok(plugin->load(&test_host, &inst, &err), "an instance is made"))
        return 1;
    arguments(argc, argv);
    result(!plugin->config || plugin->config(inst, "no_such_key", "1", &err) == -EINVAL,
           "an unknown key is refused");
    if (ok(plugin->probe(inst, &caps, OP_MS, &err), "the host can run VMs")) {
        printf("# %s %s, machine %s, accel %s. %s\n", caps.hypervisor, caps.version, caps.machine,
               caps.accel, caps.note);
        life();
        killed_from_outside();
        panics();
    }
    plugin->unload(inst);
    result(count_fds() == before, "no descriptor is left open");
    umount2(share_dir, MNT_DETACH);
    nftw(run_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return failed ? 1 : 0;
}
