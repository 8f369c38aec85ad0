/* SPDX-License-Identifier: Apache-2.0 */
/* Where containers and Nova's instances on one node get into each other's way. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "cli/check/check.h"
#include "cli/check/nova_conf.h"

#define WHAT "openstack"
#define CONF_MAX (1u << 20)
#define COMPUTE_CONF "nova-compute.conf" /* Debian's service reads it behind nova.conf */
#define URI_KEY "uri"                    /* of a descriptor whose back-end goes through a daemon */

struct looker {
    const struct cli *cli;
    const struct choice *c;
    struct nova_conf nova;
    const char *file;
    struct findings *f;
};

static int read_conf(const char *file, struct nova_conf *ret, struct err *err)
{
    const char *slash = strrchr(file, '/');
    cleanup_free char *dir = xstrndup(file, slash ? (size_t)(slash - file) : 0);
    cleanup_free char *second = path_join(slash ? dir : ".", COMPUTE_CONF);
    cleanup_free char *text = NULL, *more = NULL;
    const char *texts[2], *files[] = {file, second};
    int r = path_read(AT_FDCWD, file, CONF_MAX, &text, NULL, err);
    bool both = access(second, F_OK) == 0 && strcmp(second, file) != 0;

    if (r == 0 && both)
        r = path_read(AT_FDCWD, second, CONF_MAX, &more, NULL, err);
    if (r < 0)
        return r;
    texts[0] = text;
    texts[1] = more;
    return nova_conf_parse(texts, files, both ? 2 : 1, ret, err);
}

static bool is_used(const struct config *config, const char *name)
{
    bool used = strv_has(&config->hypervisor, name);

    for (size_t i = 0; i < config->n_classes; i++)
        used = used || strv_has(&config->classes[i].hypervisor, name);
    return used;
}

static const char *uri_of(const struct descriptor *d)
{
    for (size_t i = 0; i < d->n_config; i++)
        if (strcmp(d->config[i].key, URI_KEY) == 0)
            return d->config[i].value;
    return NULL;
}

static void look_at_libvirt(const struct looker *l)
{
    bool clear = true;

    for (size_t i = 0; i < l->c->descriptors.n; i++) {
        const struct descriptor *d = &l->c->descriptors.v[i];
        const char *uri = uri_of(d);

        if (!uri || !l->nova.uri || !is_used(&l->c->config, d->name) ||
            !nova_same_libvirt(uri, l->nova.uri))
            continue;
        clear = false;
        finding_add(l->f, FINDING_WARN, WHAT,
                    "back-end '%s' makes its VMs at '%s', where nova-compute takes every domain "
                    "for its own: a compute service that is new does not start while there is one, "
                    "and their vCPUs count as instances'; take a back-end without libvirt, or give "
                    "this one a daemon of its own (%s: uri, sockets)",
                    d->name, l->nova.uri, d->file);
    }
    if (clear)
        finding_add(l->f, FINDING_OK, WHAT, "no container's VM shows up at nova's libvirt%s%s%s",
                    l->nova.uri ? " '" : "", l->nova.uri ? l->nova.uri : "",
                    l->nova.uri ? "'" : "");
}

/* Containers without a cpuset run where their engine may, and so, as far as can be known, may we.
 */
static void look_at_cpus(const struct looker *l)
{
    cleanup_free char *both = NULL, *dedicated = nova_cpus_text(&l->nova.dedicated);
    cpu_set_t mine, common;

    CPU_ZERO(&mine);
    if (sched_getaffinity(0, sizeof(mine), &mine) < 0) {
        finding_add(l->f, FINDING_WARN, WHAT, "this process's CPUs are unknown: %s",
                    strerror(errno));
        return;
    }
    CPU_AND(&common, &mine, &l->nova.dedicated);
    both = nova_cpus_text(&common);
    if (CPU_COUNT(&common))
        finding_add(l->f, FINDING_WARN, WHAT,
                    "containers without a cpuset may run on CPUs %s, which cpu_dedicated_set gives "
                    "to instances alone; keep the engines' slice off them (systemd: AllowedCPUs=)",
                    both);
    else
        finding_add(l->f, FINDING_OK, WHAT, "%s%s",
                    l->nova.has_dedicated ? "containers stay off cpu_dedicated_set "
                                          : "no CPUs are dedicated to instances",
                    dedicated);
    if (!l->nova.has_shared && !l->nova.has_dedicated)
        finding_add(
            l->f, FINDING_WARN, WHAT,
            "neither cpu_shared_set nor cpu_dedicated_set is set in '%s': nova offers every "
            "CPU of this host, those for containers too",
            l->file);
}

static unsigned left_for_us(const struct looker *l)
{
    cpu_set_t mine, dedicated;

    CPU_ZERO(&mine);
    (void)sched_getaffinity(0, sizeof(mine), &mine);
    CPU_AND(&dedicated, &mine, &l->nova.dedicated);
    return (unsigned)(CPU_COUNT(&mine) - CPU_COUNT(&dedicated));
}

static void look_at_size(const struct looker *l, const char *name, const struct config_vm *vm,
                         uint64_t left)
{
    const struct config_vm *defaults = &l->c->config.vm;
    uint64_t memory = vm->memory == CONFIG_UNSET ? defaults->memory : vm->memory;
    uint64_t vcpus = vm->vcpus == CONFIG_UNSET ? defaults->vcpus : vm->vcpus;
    uint64_t overhead =
        vm->memory_overhead == CONFIG_UNSET ? defaults->memory_overhead : vm->memory_overhead;
    uint64_t mib = ((memory == CONFIG_AUTO ? POLICY_MEMORY_DEFAULT : memory) + overhead) / MIB;
    cleanup_free char *cls = xasprintf("class '%s'", name);

    if (mib > l->nova.reserved_mib)
        finding_add(l->f, FINDING_WARN, WHAT,
                    "%s: one VM takes %" PRIu64 " MiB%s, and reserved_host_memory_mb keeps %" PRIu64
                    " MiB for all that is no instance: nova will promise that memory to instances",
                    cls, mib, memory == CONFIG_AUTO ? " where the workload has no limit" : "",
                    l->nova.reserved_mib);
    if (vcpus != CONFIG_AUTO && vcpus > left)
        finding_add(l->f, FINDING_WARN, WHAT,
                    "%s: %" PRIu64 " vCPUs, and cpu_dedicated_set leaves %" PRIu64
                    " CPUs for all that is no instance",
                    cls, vcpus, left);
}

/* What the VMs that there are may take, against what nova keeps off. */
static void look_at_running(const struct looker *l)
{
    cleanup_call(strv_done) struct strv ids = {0};
    uint64_t sum = 0;
    size_t n = 0;

    if (state_list(l->cli->root, &ids, NULL) < 0)
        return;
    for (size_t i = 0; i < ids.n; i++) {
        cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};

        if (container_open(l->cli, ids.v[i], &c, NULL) < 0 || !c.state.sandbox ||
            strcmp(c.state.sandbox, c.state.id) != 0 || c.status == STATE_STOPPED)
            continue;
        sum += c.state.vm_memory + c.state.vm_overhead;
        n++;
    }
    finding_add(l->f, sum / MIB > l->nova.reserved_mib ? FINDING_WARN : FINDING_OK, WHAT,
                "%zu VM%s of containers may take %" PRIu64
                " MiB now, reserved_host_memory_mb is %" PRIu64,
                n, n == 1 ? "" : "s", sum / MIB, l->nova.reserved_mib);
}

void check_openstack(const struct cli *cli, const struct choice *c, const char *file,
                     struct findings *f)
{
    struct looker l = {cli, c, {0}, file, f};
    struct err err = ERR_INIT;

    if (read_conf(file, &l.nova, &err) < 0) {
        finding_add(f, FINDING_FAIL, WHAT, "nova's configuration: %s", err.msg);
        return;
    }
    look_at_libvirt(&l);
    look_at_cpus(&l);
    look_at_size(&l, POLICY_CLASS_DEFAULT, &c->config.vm, left_for_us(&l));
    for (size_t i = 0; i < c->config.n_classes; i++)
        look_at_size(&l, c->config.classes[i].name, &c->config.classes[i].vm, left_for_us(&l));
    look_at_running(&l);
    nova_conf_done(&l.nova);
}
