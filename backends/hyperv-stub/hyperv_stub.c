/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hyperv_stub.c - a complete hypervisor plug-in in one file, to be read from top to bottom.
 *
 * For whoever writes a back-end: copy this folder, rename it, and replace what is marked
 * "A REAL PLUG-IN". It implements every mandatory op of <anyvisor/hvp.h> and keeps every promise of
 * docs/hvp-plugin.md, and it is honest: it drives no hypervisor, so its probe always fails, with a
 * sentence that tells what was found on this host and what is missing. Core never calls the vm
 * ops after a failed probe, but they are there, and they refuse.
 *
 * What to notice:
 *   - one exported symbol, hvp_plugin_v1, at the end; everything else is static;
 *   - no mutable globals: all state hangs on the instance, for one .so may have several;
 *   - no output on fd 0-2, no exit(), no signal handlers, no fork(): services come from hvp_host;
 *   - every failure is -errno AND a sentence: what was tried, then why.
 */
#include <anyvisor/hvp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char default_device[] = "/dev/mshv"; /* root partition of Hyper-V on Linux */

/*
 * The instance: one per descriptor in plugins.d. Core hands the pointer back as the first argument
 * of every op. A REAL PLUG-IN keeps its connection to the hypervisor here.
 */
struct instance {
    const struct hvp_host *host; /* valid until unload: keep the pointer, copy nothing */
    char device[128];            /* config key "device" */
};

/* ---- load, config, probe, unload: the life of an instance ---------------------------------- */

/*
 * Called first, in the order load -> config (once per key) -> probe. Only make the object: loading
 * must work on every host, even where the hypervisor is absent, so that `anyvisor backends` can
 * show name and version. Out-parameters are written on success only.
 */
static int hs_load(const struct hvp_host *host, void **inst, struct hvp_error *err)
{
    struct instance *in = calloc(1, sizeof(*in));

    if (!in)
        return hvp_fail(err, ENOMEM, "no memory for an instance of hyperv-stub");
    in->host = host;
    memcpy(in->device, default_device, sizeof(default_device));
    *inst = in;
    return 0;
}

/*
 * One key/value pair of the descriptor's `config:`. The plug-in never sees YAML. Unknown keys and
 * bad values are -EINVAL with a sentence; core adds file and line, and the nearest key of `help`.
 */
static int hs_config(void *inst, const char *key, const char *value, struct hvp_error *err)
{
    struct instance *in = inst;
    size_t len = strlen(value);

    if (strcmp(key, "device") != 0)
        return hvp_fail(err, EINVAL, "hyperv-stub has no config key '%s'", key);
    if (value[0] != '/' || len >= sizeof(in->device))
        return hvp_fail(err, EINVAL, "'%s' is not an absolute path of less than %zu bytes", value,
                        sizeof(in->device));
    memcpy(in->device, value, len + 1);
    return 0;
}

/* The firmware's and the CPU's own word, for the sentence only: neither proves a usable device. */
static bool file_starts_with(const char *path, const char *text)
{
    char buf[64] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC); /* every descriptor CLOEXEC from birth */
    ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

    if (fd >= 0)
        close(fd);
    return n > 0 && strncmp(buf, text, strlen(text)) == 0;
}

/* No ifdef inside a function: the whole function is chosen. */
#if defined(__x86_64__)
#include <cpuid.h>
static bool cpu_says_hyperv(void)
{
    unsigned eax = 0, id[3] = {0};

    __cpuid(0x40000000, eax, id[0], id[1], id[2]);
    return memcmp(id, "Microsoft Hv", sizeof(id)) == 0;
}
#else
static bool cpu_says_hyperv(void)
{
    return false;
}
#endif

static const char *describe_host(void)
{
    if (cpu_says_hyperv())
        return "this host is a guest or the root partition of Hyper-V";
    if (file_starts_with("/sys/hypervisor/type", "xen"))
        return "this host runs on Xen";
    if (file_starts_with("/sys/class/dmi/id/sys_vendor", "Microsoft"))
        return "the firmware is Microsoft's, but the CPU shows no Hyper-V";
    return "neither CPU nor firmware of this host mention Hyper-V";
}

/*
 * Can this host run VMs now? Open the real device: access() only proves that a node exists, open()
 * that a driver is behind it and that we have the right. A failure is a normal answer: it is shown
 * by `anyvisor check` and explains why the policy went on to the next back-end.
 *
 * A REAL PLUG-IN ends with success and fills *caps:
 *
 *     caps->flags = HVP_CAP_VMM_EXTERNAL | HVP_CAP_PAUSE | ...;   // each bit obliges its ops
 *     caps->coldplug = 1u << HVP_DEV_DISK | 1u << HVP_DEV_NIC;
 *     caps->disk_protocols = 1u << HVP_PROTO_FILE;
 *     caps->disk_formats = 1u << HVP_FORMAT_RAW;
 *     caps->max_channels = 1;
 *     snprintf(caps->arch, sizeof(caps->arch), "%s", in->host->arch);
 *
 * caps is zeroed by core, and unknown is zero. Core refuses a plug-in that claims a bit without the
 * op, so leave a bit clear until the op works.
 */
static int hs_probe(void *inst, struct hvp_caps *caps, uint32_t timeout_ms, struct hvp_error *err)
{
    struct instance *in = inst;
    int fd, code;

    (void)caps;       /* stays untouched on failure */
    (void)timeout_ms; /* nothing here waits; what waits must heed it and in->host->cancel_fd */
    in->host->log(in->host->cookie, HVP_LOG_DEBUG, "hyperv-stub: looking for the root partition");
    fd = open(in->device, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        code = errno; /* ENOENT: no driver; EACCES, EPERM: no rights */
        return hvp_fail(err, code == ENOENT ? ENODEV : code, "open '%s': %s; %s", in->device,
                        strerror(code), describe_host());
    }
    close(fd);
    return hvp_fail(err, ENOTSUP,
                    "'%s' is there, but hyperv-stub is a worked example that cannot run a VM",
                    in->device);
}

/* Every handle is closed by now. Free the instance; leave running VMs of an external VMM alone. */
static void hs_unload(void *inst)
{
    free(inst);
}

/* ---- the VM: one handle per VM ------------------------------------------------------------- */

/*
 * The stub never hands out a handle, so ops that take one cannot be reached. They still answer
 * instead of crashing. Pretending success here would be the worst a plug-in can do: core would
 * tell an engine that a container runs.
 */
static int refuse(const char *op, struct hvp_error *err)
{
    return hvp_fail(err, ENOTSUP, "hyperv-stub cannot do '%s': it is an example without a VM", op);
}

/*
 * Build the VM paused, with every device of spec->devices. A REAL PLUG-IN copies the strings it
 * keeps, starts its VMM with in->host->spawn (the only way to make a process), waits with
 * timeout_ms for the VMM's control socket in spec->run_dir, and undoes everything on failure.
 */
static int hs_vm_create(void *inst, const struct hvp_vm_spec *spec, uint32_t timeout_ms, void **vm,
                        struct hvp_error *err)
{
    (void)inst, (void)spec, (void)timeout_ms, (void)vm;
    return refuse("vm_create", err);
}

static int hs_vm_start(void *vm, uint32_t timeout_ms, struct hvp_error *err)
{
    (void)vm, (void)timeout_ms;
    return refuse("vm_start", err);
}

/*
 * Kill, wait until the VMM holds no file any more, free. Idempotent: rollback, `delete --force` and
 * `gc` may come here at any moment, and "it was gone already" is success. There never was a VM of
 * this plug-in, so gone it is.
 */
static int hs_vm_destroy(void *vm, uint32_t timeout_ms, struct hvp_error *err)
{
    (void)vm, (void)timeout_ms, (void)err;
    return 0;
}

static int hs_vm_state(void *vm, uint32_t *state, struct hvp_error *err)
{
    (void)vm, (void)state;
    return refuse("vm_state", err);
}

/* A line for the state file from which vm_reopen finds this VM and no other: UUID, or pid with its
 * start time (pids are reused). */
static int hs_vm_ref(void *vm, char *buf, size_t len, struct hvp_error *err)
{
    (void)vm, (void)buf, (void)len;
    return refuse("vm_ref", err);
}

/* After a crash of core: is that VM still there? -ENOENT = gone, which is always true here. */
static int hs_vm_reopen(void *inst, const char *ref, uint32_t timeout_ms, void **vm,
                        struct hvp_error *err)
{
    (void)inst, (void)timeout_ms, (void)vm;
    return hvp_fail(err, ENOENT, "there is no VM '%s': hyperv-stub never made one", ref);
}

/* Drop the handle, not the VM. NULL is fine. */
static void hs_vm_close(void *vm)
{
    (void)vm;
}

/*
 * Events instead of polling: a descriptor that is readable while event_next has something to tell.
 * A REAL PLUG-IN returns its VMM's pidfd or socket, an epoll of both, or an eventfd that a
 * library's callback writes to. It stays the plug-in's: core only polls it.
 */
static int hs_event_fd(void *vm, int *fd, struct hvp_error *err)
{
    (void)vm, (void)fd;
    return refuse("event_fd", err);
}

static int hs_event_next(void *vm, struct hvp_event *ev, struct hvp_error *err)
{
    (void)vm, (void)ev;
    return hvp_fail(err, EAGAIN, "no event"); /* the one op whose failure means "nothing now" */
}

/* A connected, blocking, CLOEXEC stream to the agent's channel. From here on the descriptor is
 * core's: forget it. */
static int hs_agent_open(void *vm, uint32_t port, uint32_t timeout_ms, int *fd,
                         struct hvp_error *err)
{
    (void)vm, (void)port, (void)timeout_ms, (void)fd;
    return refuse("agent_open", err);
}

/* ---- the table ------------------------------------------------------------------------------- */

/*
 * Const: core copies it. HVP_PLUGIN_HEAD fills struct_size and abi, which is how an older core and
 * this plug-in, or a newer one, find out what both know. What is not named is NULL: unsupported,
 * and its capability bit must then be clear.
 */
static const struct hvp_plugin plugin = {
    HVP_PLUGIN_HEAD,
    .name = "hyperv-stub",
    .version = "1",
    .help = "device  path of the hypervisor's device, default /dev/mshv\n",
    .thread_model = HVP_THREADS_SERIAL, /* zero: safe until proven otherwise */
    .load = hs_load,
    .config = hs_config,
    .probe = hs_probe,
    .unload = hs_unload,
    .vm_create = hs_vm_create,
    .vm_start = hs_vm_start,
    .vm_destroy = hs_vm_destroy,
    .vm_state = hs_vm_state,
    .vm_ref = hs_vm_ref,
    .vm_reopen = hs_vm_reopen,
    .vm_close = hs_vm_close,
    .event_fd = hs_event_fd,
    .event_next = hs_event_next,
    .agent_open = hs_agent_open,
};

/* The only exported symbol; its name carries the ABI's major version. */
HVP_EXPORT const struct hvp_plugin *hvp_plugin_v1(void)
{
    return &plugin;
}
