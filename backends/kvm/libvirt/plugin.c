/* SPDX-License-Identifier: Apache-2.0 */
/* The table of this back-end: QEMU driven through libvirt's daemon. */
#include <errno.h>
#include <stdlib.h>
#include "lv.h"

static int load(const struct hvp_host *host, void **inst, struct hvp_error *err)
{
    struct lv_inst *in = calloc(1, sizeof(*in));

    if (!in)
        return hvp_fail(err, ENOMEM, "out of memory for an instance");
    in->host = host;
    lv_config_init(&in->config);
    *inst = in;
    return 0;
}

static int config(void *inst, const char *key, const char *value, struct hvp_error *err)
{
    struct lv_inst *in = inst;

    return lv_config_set(&in->config, in->host->arch, key, value, err);
}

static void unload(void *inst)
{
    struct lv_inst *in = inst;

    if (!in)
        return;
    lv_disconnect(in);
    lv_config_done(&in->config);
    free(in);
}

static const struct hvp_plugin plugin = {
    HVP_PLUGIN_HEAD,
    .name = "kvm-libvirt",
    .version = "1",
    .help = lv_config_help,
    .thread_model = HVP_THREADS_PER_VM,
    .load = load,
    .config = config,
    .probe = lv_probe,
    .unload = unload,
    .vm_create = lv_vm_create,
    .vm_start = lv_vm_start,
    .vm_destroy = lv_vm_destroy,
    .vm_state = lv_vm_state,
    .vm_ref = lv_vm_ref,
    .vm_reopen = lv_vm_reopen,
    .vm_close = lv_vm_close,
    .event_fd = lv_event_fd,
    .event_next = lv_event_next,
    .agent_open = lv_agent_open,
    .vm_pause = lv_vm_pause,
    .vm_resume = lv_vm_resume,
    .vm_set_vcpus = lv_vm_set_vcpus,
    .vm_set_memory = lv_vm_set_memory,
    .vm_stats = lv_vm_stats,
    .vm_pids = lv_vm_pids,
    .vm_list = lv_vm_list,
    .console_open = lv_console_open,
    .device_attach = lv_device_attach,
    .device_detach = lv_device_detach,
    .device_update = lv_device_update,
    .nic_hostif = lv_nic_hostif,
    .vm_save = lv_vm_save,
    .vm_restore = lv_vm_restore,
    .template_key = lv_template_key,
    .vm_rename = lv_vm_rename,
    .vm_words = lv_vm_words,
};

const struct hvp_plugin *hvp_plugin_v1(void)
{
    return &plugin;
}
