/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/str.h"
#include "plugin/internal.h"

/* The locks of SERIAL plug-ins are per .so, so that all instances must find the same one. */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct plugin_so *registry;

#define ENTRY "hvp_plugin_v1"
#define OP(name)                                                                                   \
    {                                                                                              \
#name, offsetof(struct hvp_plugin, name)                                                   \
    }

static const struct {
    const char *name;
    size_t offset;
} mandatory[] = {
    OP(name),      OP(version),  OP(help),       OP(load),       OP(probe),  OP(unload),
    OP(vm_create), OP(vm_start), OP(vm_destroy), OP(vm_state),   OP(vm_ref), OP(vm_reopen),
    OP(vm_close),  OP(event_fd), OP(event_next), OP(agent_open),
};

/* A plug-in of another major version has another symbol: name it if it is there. */
static int no_entry(void *handle, const char *path, struct err *err)
{
    char symbol[32];

    for (unsigned v = 2; v < 10; v++) {
        snprintf(symbol, sizeof(symbol), "hvp_plugin_v%u", v);
        if (dlsym(handle, symbol))
            return err_set_phase(err, PHASE_PLUGIN, ENOEXEC,
                                 "'%s' is a plug-in for ABI version %u; this anyvisor speaks %u",
                                 path, v, HVP_ABI);
    }
    return err_set_phase(err, PHASE_PLUGIN, ENOEXEC,
                         "'%s' is not a hypervisor plug-in: it exports no symbol '" ENTRY "'",
                         path);
}

/* Copy what both sides know into a zeroed struct; then a missing member and a NULL look the same.
 */
static int negotiate(const struct hvp_plugin *theirs, const char *path, struct hvp_plugin *ret,
                     struct err *err)
{
    struct hvp_plugin ops = {0};
    const void *member;

    if (!theirs)
        return err_set_phase(err, PHASE_PLUGIN, ENOEXEC, "'%s': " ENTRY "() gave no table", path);
    if (theirs->struct_size < offsetof(struct hvp_plugin, name))
        return err_set_phase(err, PHASE_PLUGIN, ENOEXEC,
                             "'%s': its table of %u bytes is too small to be one", path,
                             theirs->struct_size);
    if (theirs->abi != HVP_ABI)
        return err_set_phase(err, PHASE_PLUGIN, ENOEXEC,
                             "'%s': its table is of ABI version %u; this anyvisor speaks %u", path,
                             theirs->abi, HVP_ABI);
    memcpy(&ops, theirs, MIN(theirs->struct_size, sizeof(ops)));
    for (size_t i = 0; i < ARRAY_SIZE(mandatory); i++) {
        memcpy(&member, (const char *)&ops + mandatory[i].offset, sizeof(member));
        if (!member)
            return err_set_phase(
                err, PHASE_PLUGIN, ENOEXEC, "'%s': the mandatory '%s' is missing%s", path,
                mandatory[i].name,
                mandatory[i].offset >= theirs->struct_size ? " (its table is too small)" : "");
    }
    if (ops.thread_model > HVP_THREADS_PARALLEL)
        ops.thread_model = HVP_THREADS_SERIAL; /* newer than we are: the safest is always right */
    *ret = ops;
    return 0;
}

static struct plugin_so *find(const void *handle)
{
    struct plugin_so *so = registry;

    while (so && so->handle != handle)
        so = so->next;
    return so;
}

static int add(void *handle, const char *path, struct plugin_so **ret, struct err *err)
{
    cleanup_free struct plugin_so *so = xcalloc(1, sizeof(*so));
    hvp_entry *entry;
    void *symbol = dlsym(handle, ENTRY);
    int r;

    if (!symbol)
        return no_entry(handle, path, err);
    memcpy(&entry, &symbol, sizeof(entry)); /* ISO C has no cast from object to function pointer */
    r = negotiate(entry(), path, &so->ops, err);
    if (r < 0)
        return r;
    pthread_mutex_init(&so->lock, NULL);
    so->handle = handle;
    so->next = registry;
    registry = so;
    *ret = steal_ptr(&so);
    return 0;
}

/*
 * Never unloaded, not even after a refusal: libraries that a back-end pulls in (libxml2 under
 * libvirt) leave thread-exit handlers behind that would then point nowhere.
 */
int plugin_so_get(const char *path, struct plugin_so **ret, struct err *err)
{
    void *handle;
    const char *why;
    int r = 0;

    pthread_mutex_lock(&registry_lock);
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!handle) {
        why = dlerror();
        r = err_set_phase(err, PHASE_PLUGIN, ENOEXEC, "load plug-in: %s", why ? why : path);
    } else {
        struct plugin_so *so = find(handle);

        if (!so)
            r = add(handle, path, &so, err);
        if (r == 0)
            *ret = so;
    }
    pthread_mutex_unlock(&registry_lock);
    return r;
}
