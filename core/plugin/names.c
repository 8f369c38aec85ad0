/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/plugin.h"

/* The words are an interface: `backends --format json` prints them and docs/hvp-plugin.md lists
 * them. */
static const char *const caps[] = {
    "vmm-child", "vmm-external", "pause",        "share-9p",  "share-virtiofs", "vsock",
    "nic-fd",    "nic-hostif",   "multi-chan",   "stats",     "snapshot",       "template",
    "stop",      "console",      "console-log",  "set-vcpus", "set-memory",     "device-addr",
    "pids",      "rename",       "memory-apart",
};
static const char *const devices[] = {NULL, "disk", "share", "nic", "vsock"};
static const char *const protocols[] = {NULL, "file", "block", "nbd", "iscsi", "rbd"};
static const char *const formats[] = {NULL, "raw", "qcow2", "vmdk", "vhdx"};
static const char *const events[] = {NULL, "poweroff", "reset", "panic", "vmm-crash", "killed"};
static const char *const states[] = {NULL, "created", "running", "paused", "stopped", "crashed"};
static const char *const models[] = {"serial", "per-vm", "parallel"};

#define NAME(table, i) ((i) < ARRAY_SIZE(table) ? (table)[i] : NULL)

const char *plugin_cap_name(unsigned bit)
{
    return NAME(caps, bit);
}

const char *plugin_device_name(unsigned kind)
{
    return NAME(devices, kind);
}

const char *plugin_protocol_name(unsigned proto)
{
    return NAME(protocols, proto);
}

const char *plugin_format_name(unsigned format)
{
    return NAME(formats, format);
}

const char *plugin_event_name(unsigned kind)
{
    return NAME(events, kind);
}

const char *plugin_state_name(unsigned state)
{
    return NAME(states, state);
}

const char *plugin_thread_model_name(unsigned model)
{
    return NAME(models, model);
}
