/* SPDX-License-Identifier: Apache-2.0 */
/* Runs in the worker: touches nothing of the monitor but its struct boot. */
#include "monitor/boot.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/path.h"
#include "base/timing.h"
#include "monitor/disks.h"
#include "monitor/monitor.h"
#include "monitor/nics.h"

#define BOOT_OWN_PIDS (HVP_CAP_PIDS | HVP_CAP_VMM_CHILD)
#define CHANNEL_TIMEOUT_SLICE 1 /* ms that are always left for an op */

static uint32_t left_ms(const struct boot *b)
{
    int left = deadline_left_ms(b->deadline_ns);

    return left < CHANNEL_TIMEOUT_SLICE ? CHANNEL_TIMEOUT_SLICE : (uint32_t)left;
}

static int fault(const char *name, struct err *err)
{
    int r = fault_point(name);

    return r < 0 ? err_set(err, -r, "fault point '%s': %m", name) : 0;
}

/* For the sentence about a key that the plug-in refuses. */
static void place_key(const char *place, struct descriptor_key *k)
{
    const char *colon = strchr(place, ':');
    cleanup_free char *line = xstrndup(place, strcspn(place, ":"));
    uint64_t l, c;

    if (!colon || str_to_u64(line, 1, UINT32_MAX, &l) < 0 ||
        str_to_u64(colon + 1, 1, UINT32_MAX, &c) < 0)
        return;
    k->line = (unsigned)l;
    k->column = (unsigned)c;
}

static void fill_descriptor(struct boot *b)
{
    const struct ipc_sandbox *s = b->spec;
    struct descriptor *d = &b->descriptor;

    d->name = xstrdup(s->descriptor);
    d->file = xstrdup(s->descriptor_file);
    d->so = xstrdup(s->library);
    d->arch = xstrdup(s->arch);
    d->n_config = s->config.n;
    d->config = xcalloc(s->config.n, sizeof(*d->config));
    for (size_t i = 0; i < s->config.n; i++) {
        d->config[i].key = xstrdup(s->config.v[i].key);
        d->config[i].value = xstrdup(s->config.v[i].value);
        if (i < s->config_places.n)
            place_key(s->config_places.v[i], &d->config[i]);
    }
}

/* One for a pool (hold.c). Said before it is made, for a pool is filled again and again. */
static int check_keep(struct boot *b)
{
    uint64_t flags = plugin_caps(b->plugin)->flags;

    if (!b->spec->keep ||
        ((flags & HVP_CAP_PAUSE) && (flags & (HVP_CAP_VMM_CHILD | HVP_CAP_RENAME))))
        return 0;
    return err_set_phase(&b->err, PHASE_VMM, ENOTSUP,
                         "back-end '%s' cannot hold a VM for later: it needs to pause VMs, and to "
                         "rename those that its hypervisor lists",
                         b->spec->descriptor);
}

static int load(struct boot *b)
{
    int r;

    fill_descriptor(b);
    if ((r = plugin_open(&b->descriptor, &b->host, &b->plugin, &b->err)) < 0 ||
        (r = plugin_probe(b->plugin, left_ms(b), NULL, &b->err)) < 0 || (r = check_keep(b)) < 0)
        return r;
    b->timings.plugin_loaded = now_ns();
    return fault("monitor.plugin-loaded", &b->err);
}

static const char *text(const char *s)
{
    return s ? s : "";
}

struct hvp_kv *boot_pairs(const struct kvs *l)
{
    struct hvp_kv *v = xcalloc(l->n, sizeof(*v));

    for (size_t i = 0; i < l->n; i++)
        v[i] = (struct hvp_kv){l->v[i].key, l->v[i].value};
    return v;
}

/* Where a VM keeps its size, that is no reason not to make it: who needs more will hear of it. */
static uint64_t memory_max(const struct boot *b)
{
    bool grows = plugin_caps(b->plugin)->flags & HVP_CAP_SET_MEMORY;

    return grows ? MAX(b->spec->memory, b->spec->memory_max) : b->spec->memory;
}

static uint32_t vcpus_max(const struct boot *b)
{
    const struct hvp_caps *caps = plugin_caps(b->plugin);
    uint32_t most = caps->max_vcpus ? MIN(b->spec->vcpus_max, caps->max_vcpus) : b->spec->vcpus_max;

    return caps->flags & HVP_CAP_SET_VCPUS ? MAX(b->spec->vcpus, most) : b->spec->vcpus;
}

static struct hvp_vm_spec spec_of(const struct boot *b, const char *console)
{
    const struct ipc_sandbox *s = b->spec;
    const struct assets *a = b->assets;

    return (struct hvp_vm_spec){
        .struct_size = sizeof(struct hvp_vm_spec),
        .id = s->id,
        .uuid = s->uuid,
        .vcpus = s->vcpus,
        .vcpus_max = vcpus_max(b),
        .memory = s->memory,
        .memory_max = memory_max(b),
        .machine = text(s->machine),
        .cpu_model = text(s->cpu_model),
        .kernel = a->kernel ? a->kernel : s->kernel,
        .initrd = a->initrd ? a->initrd : text(s->initrd),
        .cmdline = text(s->cmdline),
        .run_dir = s->run_dir,
        .console_log = console,
        .n_options = s->options.n,
        .n_metadata = s->metadata.n,
        .n_channels = 1,
        .template_dir = "",
    };
}

/* All but the share, for vm_spec.devices. */
struct devices {
    struct hvp_share share;
    struct disk_device *disks;
    struct hvp_nic *nics;
    const struct hvp_device **v;
    size_t n, n_disks;
};

/* A back-end without NICs is none that could not be used: at the start it is said what is missing.
 */
static void add_nics(struct boot *b, struct devices *d)
{
    const struct ipc_sandbox *s = b->spec;
    const struct hvp_caps *caps = plugin_caps(b->plugin);
    const int *fds = b->tap_fds;

    if (!plugin_nics(caps))
        return;
    for (size_t i = 0; i < s->n_nics; i++) {
        nic_device_init(&d->nics[i], &s->nics[i], nics_on_taps(caps) ? fds : NULL);
        if (nics_have_links(caps))
            d->nics[i].d.flags = HVP_F_LINK_DOWN;
        d->v[d->n++] = &d->nics[i].d;
        fds += s->nics[i].queues;
    }
}

static void devices_init(struct boot *b, struct devices *d)
{
    const struct ipc_sandbox *s = b->spec;

    d->disks = xcalloc(s->n_disks + 1, sizeof(*d->disks));
    d->nics = xcalloc(s->n_nics + 1, sizeof(*d->nics));
    d->v = xcalloc(1 + s->n_disks + s->n_nics, sizeof(*d->v));
    d->v[d->n++] = &d->share.d;
    for (; d->n_disks < s->n_disks; d->n_disks++) {
        disk_device_init(&d->disks[d->n_disks], s->host_mounts, &s->disks[d->n_disks]);
        d->v[d->n++] = &d->disks[d->n_disks].disk.d;
    }
    add_nics(b, d);
}

static void devices_done(struct devices *d)
{
    for (size_t i = 0; i < d->n_disks; i++)
        disk_device_done(&d->disks[i]);
    free(d->disks);
    free(d->nics);
    free(d->v);
}

static int make_vm(struct boot *b, struct hvp_vm_spec *spec)
{
    char ref[HVP_REF_MAX];
    int r;

    if ((r = plugin_spec_check(plugin_caps(b->plugin), spec, &b->err)) < 0 ||
        (r = template_make_vm(b, spec, left_ms(b))) < 0 ||
        (r = plugin_vm_ref(b->vm, ref, &b->err)) < 0 ||
        (r = state_vm_write(b->state_fd, ref, &b->err)) < 0)
        return r;
    return plugin_vm_event_fd(b->vm, &b->event_fd, &b->err);
}

static int create(struct boot *b)
{
    cleanup_free char *console = path_join(b->spec->state_dir, "console.log");
    cleanup_free struct hvp_kv *options = boot_pairs(&b->spec->options);
    cleanup_free struct hvp_kv *metadata = boot_pairs(&b->spec->metadata);
    cleanup_free char *share_dir = share_path(b->spec, NULL);
    const struct hvp_kv model = {"security_model", text(b->spec->share_model)};
    cleanup_call(devices_done) struct devices devices = {
        .share = {
            .d = {.struct_size = sizeof(struct hvp_share), .kind = HVP_DEV_SHARE, .tag = SHARE_TAG},
            .dir = share_dir,
            .fs = HVP_FS_9P,
            .options = &model,
            .n_options = *model.value ? 1 : 0}};
    struct hvp_vm_spec spec = spec_of(b, console);
    int r;

    devices_init(b, &devices);
    spec.options = options;
    spec.metadata = metadata;
    spec.devices = devices.v;
    spec.n_devices = devices.n;
    if (!(plugin_caps(b->plugin)->flags & HVP_CAP_CONSOLE_LOG))
        spec.console_log = "";
    r = make_vm(b, &spec);
    if (r < 0) {
        disks_blame(b->spec->host_mounts, b->spec->disks, b->spec->n_disks, &b->err);
        assets_blame(b->spec, b->assets, &b->err);
        return r;
    }
    b->timings.vm_created = now_ns();
    b->memory = spec.memory;
    b->vcpus = spec.vcpus;
    if ((r = network_names(b)) < 0)
        return r;
    return fault("monitor.vm-created", &b->err);
}

/* A directory is there already; a tag is mounted by the agent, over the transport it stands for. */
static int find_share(struct boot *b)
{
    static const char *const transports[][2] = {{"tag:", "virtio"}, {"xen:", "xen"}};
    char addr[HVP_ADDR_MAX] = "tag:" SHARE_TAG;
    int r = 0;

    if (plugin_caps(b->plugin)->flags & HVP_CAP_DEVICE_ADDR)
        r = plugin_device_addr(b->vm, SHARE_TAG, addr, &b->err);
    if (r < 0)
        return r;
    if (str_starts_with(addr, "dir:"))
        b->share_dir = xstrdup(addr + 4);
    for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
        if (!str_starts_with(addr, transports[i][0]))
            continue;
        b->share_tag = xstrdup(addr + strlen(transports[i][0]));
        b->share_transport = transports[i][1];
    }
    if (b->share_dir || b->share_tag)
        return 0;
    return err_set(&b->err, EPROTO, "the back-end has put the share at '%s', which no guest knows",
                   addr);
}

static int start(struct boot *b)
{
    bool clone = b->spec->template_use == IPC_TEMPLATE_CLONE; /* which is paused, not new */
    size_t n = 0;
    int r;

    r = clone ? plugin_vm_resume(b->vm, left_ms(b), &b->err)
              : plugin_vm_start(b->vm, left_ms(b), &b->err);
    if (r < 0)
        return r;
    b->started = true;
    b->timings.vm_started = now_ns();
    if ((r = fault("monitor.vm-started", &b->err)) < 0)
        return r;
    /* An external VMM outlives us, and those who stand for its processes shall not wait for it. */
    if ((plugin_caps(b->plugin)->flags & BOOT_OWN_PIDS) == BOOT_OWN_PIDS &&
        plugin_vm_pids(b->vm, b->pids, BOOT_PIDS_MAX, &n, NULL) == 0)
        b->n_pids = MIN(n, (size_t)BOOT_PIDS_MAX);
    if ((r = find_share(b)) < 0)
        return r;
    return plugin_vm_agent_open(b->vm, 0, left_ms(b), &b->channel_fd, &b->err);
}

void boot_run(struct job *j)
{
    struct boot *b = (struct boot *)j; /* its first member */

    b->err = (struct err)ERR_INIT;
    if (load(b) < 0 || create(b) < 0 || seal(b) < 0 || start(b) < 0) {
        if (!b->err.code)
            b->err.code = EIO;
        (void)err_in_phase(&b->err, PHASE_VMM);
    }
}
