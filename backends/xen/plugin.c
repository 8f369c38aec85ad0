/* SPDX-License-Identifier: Apache-2.0 */
/* The table of this back-end: domains of Xen, through libxenlight. */
#include <errno.h>
#include <stdlib.h>
#include "xen.h"

static int load(const struct hvp_host *host, void **inst, struct hvp_error *err)
{
    struct xen_inst *in = calloc(1, sizeof(*in));

    if (!in)
        return hvp_fail(err, ENOMEM, "out of memory for an instance");
    in->host = host;
    *inst = in;
    return 0;
}

static int config(void *inst, const char *key, const char *value, struct hvp_error *err)
{
    struct xen_inst *in = inst;

    return xen_config_set(&in->config, key, value, err);
}

static void unload(void *inst)
{
    free(inst);
}

static const struct hvp_plugin plugin = {
    HVP_PLUGIN_HEAD,
    .name = "xen",
    .version = "1",
    .help = xen_config_help,
    .thread_model = HVP_THREADS_PER_VM,
    .load = load,
    .config = config,
    .probe = xen_probe,
    .unload = unload,
    .vm_create = xen_vm_create,
    .vm_start = xen_vm_start,
    .vm_destroy = xen_vm_destroy,
    .vm_state = xen_vm_state,
    .vm_ref = xen_vm_ref,
    .vm_reopen = xen_vm_reopen,
    .vm_close = xen_vm_close,
    .event_fd = xen_event_fd,
    .event_next = xen_event_next,
    .agent_open = xen_agent_open,
    .vm_pause = xen_vm_pause,
    .vm_resume = xen_vm_resume,
    .vm_stats = xen_vm_stats,
    .vm_pids = xen_vm_pids,
    .vm_list = xen_vm_list,
    .console_open = xen_console_open,
    .device_attach = xen_device_attach,
    .device_detach = xen_device_detach,
    .device_addr = xen_device_addr,
    .nic_hostif = xen_nic_hostif,
    .vm_set_vcpus = xen_vm_set_vcpus,
    .vm_set_memory = xen_vm_set_memory,
    .vm_save = xen_vm_save,
    .vm_restore = xen_vm_restore,
    .vm_rename = xen_vm_rename,
    .vm_words = xen_vm_words,
};

const struct hvp_plugin *hvp_plugin_v1(void)
{
    return &plugin;
}
