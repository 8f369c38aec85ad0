/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fake back-end: a plug-in like any other, whose "virtual machine" is a set of namespaces on
 * this host with the real agent as pid 1.  It boots in milliseconds and needs no guest image, so
 * most tests of the core run on it; and it is a worked example for plug-in authors: read it beside
 * hvp.h, from load() to the table at the end, then vm.c and ops.c.
 *
 * What stands for what:
 *     VMM process      fake-vmm (vmm.c); vm_create starts it, and it waits like a paused machine
 *     agent's channel  a socketpair; one end goes to the agent as descriptor 3
 *     9p share         the directory itself: the guest sees the host's files ("dir:/path")
 *     serial console   standard error of the agent, appended to console_log
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/util.h"
#include "fake.h"

static int load(const struct hvp_host *host, void **ret, struct hvp_error *err)
{
    struct instance *in = calloc(1, sizeof(*in));

    if (!in)
        return hvp_fail(err, ENOMEM, "out of memory for an instance");
    in->host = host;
    *ret = in;
    return 0;
}

static void unload(void *p)
{
    struct instance *in = p;

    if (!in)
        return;
    free(in->agent);
    free(in->vmm);
    free(in->share);
    free(in->memory);
    free(in->fault.fail);
    free(in->fault.delay);
    free(in);
}

static const char help[] = "agent  absolute path of the agent's program for this host\n"
                           "vmm    absolute path of fake-vmm\n"
                           "share  an address that its share pretends to have\n"
                           "memory 'apart' = as if it were none of this host's\n"
                           "fail   ops that fail: vm_start,agent_open\n"
                           "delay  ops that take longer: vm_create=200,vm_destroy=50 (ms)\n";

/* Keys come one by one, in the order of the file.  An unknown one is refused by name. */
static int config(void *p, const char *key, const char *value, struct hvp_error *err)
{
    struct instance *in = p;
    struct {
        const char *key;
        char **to;
        bool path;
    } keys[] = {
        {"agent", &in->agent, true},        {"vmm", &in->vmm, true},
        {"share", &in->share, false},       {"fail", &in->fault.fail, false},
        {"delay", &in->fault.delay, false}, {"memory", &in->memory, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        char *copy;

        if (strcmp(key, keys[i].key) != 0)
            continue;
        if (keys[i].path && value[0] != '/')
            return hvp_fail(err, EINVAL, "'%s: %.200s' is not an absolute path", key, value);
        copy = strdup(value);
        if (!copy)
            return hvp_fail(err, ENOMEM, "out of memory for '%s'", key);
        free(*keys[i].to);
        *keys[i].to = copy;
        return 0;
    }
    return hvp_fail(err, EINVAL, "unknown key '%.100s'", key);
}

/* Check what the VM will need, by using it; -errno and a sentence are a good answer too. */
static int check_program(const char *what, const char *path, struct hvp_error *err)
{
    if (!path)
        return hvp_fail(err, EINVAL, "'%s' is not configured", what);
    if (access(path, X_OK) < 0)
        return hvp_fail(err, errno, "%s '%.300s': %m", what, path);
    return 0;
}

/* A bit that is set here obliges the ops that hvp.h names beside it: promise only what is there. */
static int probe(void *p, struct hvp_caps *caps, uint32_t timeout_ms, struct hvp_error *err)
{
    struct instance *in = p;
    struct hvp_caps c = {.struct_size = caps->struct_size,
                         .flags = HVP_CAP_VMM_CHILD | HVP_CAP_SHARE_9P | HVP_CAP_DEVICE_ADDR |
                                  HVP_CAP_STATS | HVP_CAP_PIDS | HVP_CAP_CONSOLE_LOG |
                                  HVP_CAP_PAUSE,
                         .coldplug = 1u << HVP_DEV_SHARE,
                         .max_channels = 1};

    (void)timeout_ms;
    if (in->memory && strcmp(in->memory, "apart") == 0)
        c.flags |= HVP_CAP_MEMORY_APART;
    if (fault_at(&in->fault, in->host, "probe", err) < 0 ||
        check_program("agent", in->agent, err) < 0 || check_program("vmm", in->vmm, err) < 0)
        return err->code;
    if (geteuid() != 0)
        return hvp_fail(err, EPERM, "namespaces need root");
    snprintf(c.hypervisor, sizeof(c.hypervisor), "fake");
    snprintf(c.version, sizeof(c.version), "1");
    snprintf(c.arch, sizeof(c.arch), "%s", in->host->arch);
    snprintf(c.machine, sizeof(c.machine), "namespaces");
    snprintf(c.accel, sizeof(c.accel), "none");
    snprintf(c.note, sizeof(c.note), "no virtual machine: for tests only");
    /* Core may be older or newer than this plug-in: write no further than its struct goes. */
    memcpy(caps, &c, c.struct_size < sizeof(c) ? c.struct_size : sizeof(c));
    return 0;
}

/* Ops that are not named stay NULL: unsupported, and their capability bits are clear. */
static const struct hvp_plugin plugin = {
    HVP_PLUGIN_HEAD,
    .name = "fake",
    .version = "1",
    .help = help,
    .thread_model = HVP_THREADS_PER_VM,
    .load = load,
    .config = config,
    .probe = probe,
    .unload = unload,
    .vm_create = fake_vm_create,
    .vm_start = fake_vm_start,
    .vm_pause = fake_vm_pause,
    .vm_resume = fake_vm_resume,
    .vm_destroy = fake_vm_destroy,
    .vm_state = fake_vm_state,
    .vm_ref = fake_vm_ref,
    .vm_reopen = fake_vm_reopen,
    .vm_close = fake_vm_close,
    .event_fd = fake_event_fd,
    .event_next = fake_event_next,
    .agent_open = fake_agent_open,
    .vm_stats = fake_vm_stats,
    .vm_pids = fake_vm_pids,
    .device_addr = fake_device_addr,
    .vm_words = fake_vm_words,
};

const struct hvp_plugin *hvp_plugin_v1(void)
{
    return &plugin;
}
