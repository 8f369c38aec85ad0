/* SPDX-License-Identifier: Apache-2.0 */
/* The table of this back-end: QEMU driven directly over QMP, with KVM or software emulation. */
#include <errno.h>
#include <stdlib.h>
#include "kvm.h"

static int load(const struct hvp_host *host, void **inst, struct hvp_error *err)
{
    struct kvm_inst *in = calloc(1, sizeof(*in));

    if (!in)
        return hvp_fail(err, ENOMEM, "out of memory for an instance");
    in->host = host;
    kvm_config_init(&in->config);
    *inst = in;
    return 0;
}

static int config(void *inst, const char *key, const char *value, struct hvp_error *err)
{
    struct kvm_inst *in = inst;

    return kvm_config_set(&in->config, in->host->arch, key, value, err);
}

static void unload(void *inst)
{
    struct kvm_inst *in = inst;

    if (!in)
        return;
    kvm_config_done(&in->config);
    free(in);
}

static const struct hvp_plugin plugin = {
    HVP_PLUGIN_HEAD,
    .name = "kvm",
    .version = "1",
    .help = kvm_config_help,
    .thread_model = HVP_THREADS_PER_VM,
    .load = load,
    .config = config,
    .probe = kvm_probe,
    .unload = unload,
    .vm_create = kvm_vm_create,
    .vm_start = kvm_vm_start,
    .vm_destroy = kvm_vm_destroy,
    .vm_state = kvm_vm_state,
    .vm_ref = kvm_vm_ref,
    .vm_reopen = kvm_vm_reopen,
    .vm_close = kvm_vm_close,
    .event_fd = kvm_event_fd,
    .event_next = kvm_event_next,
    .agent_open = kvm_agent_open,
    .vm_pause = kvm_vm_pause,
    .vm_resume = kvm_vm_resume,
    .vm_set_vcpus = kvm_vm_set_vcpus,
    .vm_set_memory = kvm_vm_set_memory,
    .vm_stats = kvm_vm_stats,
    .vm_pids = kvm_vm_pids,
    .vm_list = kvm_vm_list,
    .console_open = kvm_console_open,
    .device_attach = kvm_device_attach,
    .device_detach = kvm_device_detach,
    .device_update = kvm_device_update,
    .device_addr = kvm_device_addr,
    .vm_save = kvm_vm_save,
    .vm_restore = kvm_vm_restore,
    .template_key = kvm_template_key,
    .vm_words = kvm_vm_words,
};

const struct hvp_plugin *hvp_plugin_v1(void)
{
    return &plugin;
}
