/* SPDX-License-Identifier: Apache-2.0 */
/*
 * liar.c - the fake back-end with one promise broken, named by the key `lie`: what the conformance
 * kit must find.
 */
#include <anyvisor/hvp.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct hvp_plugin *honest; /* of fake.so */
static const struct hvp_host *services;
static struct hvp_plugin table;
static char lie[32];

static bool lies(const char *how)
{
    return strcmp(lie, how) == 0;
}

static int l_load(const struct hvp_host *host, void **inst, struct hvp_error *err)
{
    services = host;
    return honest->load(host, inst, err);
}

static int l_config(void *inst, const char *key, const char *value, struct hvp_error *err)
{
    if (strcmp(key, "lie") != 0)
        return honest->config(inst, key, value, err);
    snprintf(lie, sizeof(lie), "%s", value);
    return 0;
}

static int l_probe(void *inst, struct hvp_caps *caps, uint32_t timeout_ms, struct hvp_error *err)
{
    int r = honest->probe(inst, caps, timeout_ms, err);

    if (lies("claim"))
        caps->flags |= HVP_CAP_STOP; /* there is no vm_stop */
    return r;
}

static void leave_process(void)
{
    static const char *const argv[] = {"/bin/sleep", "60", NULL};
    const struct hvp_spawn what = {.struct_size = sizeof(what), .argv = argv};
    struct hvp_error err = {.struct_size = sizeof(err)};
    int32_t pid;
    int pidfd;

    if (services->spawn(services->cookie, &what, &pid, &pidfd, &err) == 0)
        close(pidfd);
}

static int l_vm_create(void *inst, const struct hvp_vm_spec *spec, uint32_t timeout_ms, void **vm,
                       struct hvp_error *err)
{
    if (lies("exit"))
        _exit(0);
    if (lies("descriptor") && open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
        abort();
    if (lies("process"))
        leave_process();
    if (lies("loud"))
        dprintf(STDOUT_FILENO, "making a VM\n");
    return honest->vm_create(inst, spec, timeout_ms, vm, err);
}

static int l_vm_start(void *vm, uint32_t timeout_ms, struct hvp_error *err)
{
    int r;

    if (lies("abort"))
        abort();
    r = honest->vm_start(vm, timeout_ms, err);
    if (lies("mute"))
        err->msg[0] = '\0';
    return r;
}

/* Not claimed, and not refused either. */
static int l_vm_set_memory(void *vm, uint64_t bytes, uint32_t timeout_ms, uint64_t *actual,
                           struct hvp_error *err)
{
    (void)vm, (void)timeout_ms;
    if (!lies("memory"))
        return hvp_fail(err, ENOTSUP, "the fake cannot change a VM's memory");
    *actual = bytes;
    return 0;
}

static int l_vm_destroy(void *vm, uint32_t timeout_ms, struct hvp_error *err)
{
    return lies("immortal") ? 0 : honest->vm_destroy(vm, timeout_ms, err);
}

static int l_vm_words(void *inst, const struct hvp_vm_spec *spec, struct hvp_error *err)
{
    return lies("words") ? 0 : honest->vm_words(inst, spec, err);
}

HVP_EXPORT const struct hvp_plugin *hvp_plugin_v1(void)
{
    void *so = dlopen(FAKE_SO, RTLD_NOW | RTLD_LOCAL);
    hvp_entry *entry = NULL;

    if (so)
        *(void **)&entry = dlsym(so, "hvp_plugin_v1");
    if (!entry)
        return NULL;
    honest = entry();
    table = *honest;
    table.name = "liar";
    table.load = l_load;
    table.config = l_config;
    table.probe = l_probe;
    table.vm_create = l_vm_create;
    table.vm_start = l_vm_start;
    table.vm_set_memory = l_vm_set_memory;
    table.vm_destroy = l_vm_destroy;
    table.vm_words = l_vm_words;
    return &table;
}
