/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "common/file.h"
#include "common/util.h"
#include "xen.h"

#define VCPUS_MAX 128 /* what Linux and Xen agree on for both types */

#define CAPS                                                                                       \
    (HVP_CAP_VMM_EXTERNAL | HVP_CAP_PAUSE | HVP_CAP_SHARE_9P | HVP_CAP_STATS | HVP_CAP_CONSOLE |   \
     HVP_CAP_CONSOLE_LOG | HVP_CAP_DEVICE_ADDR | HVP_CAP_PIDS | HVP_CAP_SET_VCPUS |                \
     HVP_CAP_SET_MEMORY | HVP_CAP_SNAPSHOT | HVP_CAP_RENAME | HVP_CAP_MEMORY_APART)

static bool file_has(const char *path, const char *text)
{
    char buf[128];

    return file_read_text(path, buf, sizeof(buf)) > 0 && strstr(buf, text);
}

/* Asked of the kernel first: on another host libxl would only say that something is missing. */
static int check_dom0(struct hvp_error *err)
{
    if (!file_has("/sys/hypervisor/type", "xen"))
        return hvp_fail(err, ENODEV, "this host does not run on Xen");
    if (access("/proc/xen/capabilities", R_OK) == 0 &&
        !file_has("/proc/xen/capabilities", "control_d"))
        return hvp_fail(err, EPERM, "this host is a guest of Xen, not its dom0");
    if (access("/dev/xen/privcmd", R_OK | W_OK) < 0)
        return hvp_fail(err, errno == ENOENT ? ENODEV : errno,
                        "open '/dev/xen/privcmd': %m; is the kernel module xen-privcmd loaded?");
    return 0;
}

static bool has_module(const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/sys/module/%s", name);
    return access(path, F_OK) == 0;
}

static void append_missing(char *text, size_t len)
{
    static const char *const modules[] = {"xen_gntdev", "xen_evtchn", "xen_blkback", "xen_netback"};

    for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
        size_t used = strlen(text);

        if (!has_module(modules[i]))
            snprintf(text + used, len - used, "; kernel module %s is not loaded", modules[i]);
    }
}

static int fill_type(struct xen_inst *in, const libxl_physinfo *p, struct hvp_caps *c,
                     struct hvp_error *err)
{
    if (in->config.type == XEN_PVH && !(p->cap_hvm && p->cap_hap))
        return hvp_fail(err, ENODEV,
                        "the CPU, or Xen on it, cannot run PVH guests; 'type: pv' runs on it");
    if (in->config.type == XEN_PV && !p->cap_pv)
        return hvp_fail(err, ENODEV, "this Xen cannot run PV guests; take 'type: pvh'");
    snprintf(c->machine, sizeof(c->machine), "%s", xen_type_name(in->config.type));
    return 0;
}

static int ask_libxl(struct xen_inst *in, struct loop *l, struct hvp_caps *c, struct hvp_error *err)
{
    const libxl_version_info *v = libxl_get_version_info(l->ctx);
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    libxl_physinfo p;
    int r;

    libxl_physinfo_init(&p);
    r = libxl_get_physinfo(l->ctx, &p);
    if (!v || r) {
        libxl_physinfo_dispose(&p);
        return loop_fail(l, r, "ask Xen what it has", err);
    }
    snprintf(c->version, sizeof(c->version), "%d.%d%s", v->xen_version_major, v->xen_version_minor,
             v->xen_version_extra);
    snprintf(c->build_id, sizeof(c->build_id), "%s", v->build_id ? v->build_id : "");
    c->max_memory = p.total_pages * page;
    c->max_vcpus = VCPUS_MAX;
    snprintf(c->note, sizeof(c->note), "this is dom0 of Xen with %u CPUs; %" PRIu64 " MiB are free",
             p.nr_cpus, p.free_pages * page >> 20);
    append_missing(c->note, sizeof(c->note));
    r = fill_type(in, &p, c, err);
    libxl_physinfo_dispose(&p);
    return r;
}

int xen_probe(void *inst, struct hvp_caps *caps, uint32_t timeout_ms, struct hvp_error *err)
{
    struct xen_inst *in = inst;
    struct hvp_caps c = {.struct_size = caps->struct_size};
    struct loop l;
    int r;

    (void)timeout_ms; /* these are hypercalls, and a word with xenstored */
    if (check_dom0(err) < 0 || loop_init(&l, in->host, err) < 0)
        return err->code;
    r = ask_libxl(in, &l, &c, err);
    loop_done(&l);
    if (r < 0)
        return r;
    c.flags = CAPS;
    c.coldplug = 1u << HVP_DEV_DISK | 1u << HVP_DEV_SHARE;
    c.hotplug = c.unplug = 1u << HVP_DEV_DISK;
    if (has_module("xen_netback")) {
        c.flags |= HVP_CAP_NIC_HOSTIF;
        c.coldplug |= 1u << HVP_DEV_NIC;
        c.hotplug |= 1u << HVP_DEV_NIC;
        c.unplug |= 1u << HVP_DEV_NIC;
    }
    c.hotplug_max = XEN_DISKS_MAX + 1; /* a NIC takes none of their places */
    c.disk_protocols = 1u << HVP_PROTO_FILE | 1u << HVP_PROTO_BLOCK;
    c.disk_formats = 1u << HVP_FORMAT_RAW | 1u << HVP_FORMAT_QCOW2;
    c.disk_rw_only = 1u << HVP_PROTO_FILE; /* QEMU's part cannot open them read-only */
    c.max_channels = 1;
    snprintf(c.hypervisor, sizeof(c.hypervisor), "xen");
    snprintf(c.arch, sizeof(c.arch), "x86_64");
    snprintf(c.accel, sizeof(c.accel), "xen");
    memcpy(caps, &c, c.struct_size < sizeof(c) ? c.struct_size : sizeof(c));
    return 0;
}
