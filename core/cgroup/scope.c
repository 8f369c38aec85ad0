/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup/systemd.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/path.h"

/* "a-b.slice", not the root's "-.slice": each dash nests, so none may be at an end or doubled. */
static bool is_slice(const char *name)
{
    size_t len = strlen(name);

    return len > strlen(".slice") && str_ends_with(name, ".slice") && !strchr(name, '/') &&
           name[0] != '-' && !strstr(name, "--") && !strstr(name, "-.slice");
}

static int bad_path(const char *path, struct err *err)
{
    return err_set_phase(err, PHASE_CONFIG, EINVAL,
                         "linux.cgroupsPath: expected 'SLICE:PREFIX:NAME' with --systemd-cgroup, "
                         "not '%.200s'",
                         path);
}

int cgroup_scope_parse(const char *cgroups_path, const char *id, struct cgroup_scope *ret,
                       struct err *err)
{
    cleanup_free char *own = xasprintf(":anyvisor:%s", id);
    const char *path = cgroups_path && *cgroups_path ? cgroups_path : own;
    const char *prefix = strchr(path, ':'), *name = prefix ? strchr(prefix + 1, ':') : NULL;
    cleanup_free char *slice = NULL;

    if (!name || !name[1] || strchr(name + 1, ':') || strchr(path, '/'))
        return bad_path(path, err);
    slice = prefix == path ? xstrdup("system.slice") : xstrndup(path, (size_t)(prefix - path));
    if (!is_slice(slice))
        return err_set_phase(err, PHASE_CONFIG, EINVAL,
                             "linux.cgroupsPath: '%.200s' is not the name of a slice", slice);
    prefix++;
    name++;
    ret->slice = steal_ptr(&slice);
    ret->unit = xasprintf("%.*s%s%s.scope", (int)(name - 1 - prefix), prefix,
                          name - 1 == prefix ? "" : "-", name);
    return 0;
}

void cgroup_scope_done(struct cgroup_scope *s)
{
    free(s->slice);
    free(s->unit);
    *s = (struct cgroup_scope){0};
}

/* "/a.slice/a-b.slice" of "a-b.slice". */
static char *slice_path(const char *slice)
{
    char *path = xstrdup("");

    for (const char *dash = slice; (dash = strchr(dash, '-')); dash++) {
        char *longer = xasprintf("%s/%.*s.slice", path, (int)(dash - slice), slice);

        free(path);
        path = longer;
    }
    return path;
}

void cgroup_scope_dirs(const struct cgroup_host *h, const struct cgroup_scope *s,
                       struct strv *ret_dirs)
{
    cleanup_free char *above = slice_path(s->slice);

    for (size_t i = 0; i < h->n; i++)
        strv_addf(ret_dirs, "%s%s/%s/%s", h->v[i].mount, above, s->slice, s->unit);
}

/* "0-2,5" as bits, as far as max goes. */
static int parse_mask(const char *key, const char *list, struct scope_property *p, struct err *err)
{
    for (const char *at = list; *at;) {
        char *end;
        unsigned long first = strtoul(at, &end, 10), last = first;

        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        if (strspn(at, "0123456789") == 0 || first > last || (*end && *end != ','))
            return err_set_phase(err, PHASE_CONFIG, EINVAL,
                                 "linux.resources.cpu.%s '%.100s': expected a list such as "
                                 "'0-2,5'",
                                 key, list);
        if (last >= CGROUP_CPUS_MAX)
            return err_set_phase(err, PHASE_CONFIG, ERANGE,
                                 "linux.resources.cpu.%s '%.100s': numbers end at %d", key, list,
                                 CGROUP_CPUS_MAX - 1);
        for (unsigned long n = first; n <= last; n++)
            p->mask[n / 8] |= (uint8_t)(1u << n % 8);
        p->mask_len = MAX(p->mask_len, last / 8 + 1);
        at = *end ? end + 1 : end;
    }
    return 0;
}

/* The properties found so far. */
struct properties {
    struct scope_property *v;
    size_t n;
};

static void add_number(struct properties *p, const char *name, uint64_t number)
{
    p->v[p->n++] = (struct scope_property){.name = name, .number = number};
}

static int add_mask(struct properties *p, const char *name, const char *key, const char *list,
                    struct err *err)
{
    struct scope_property mask = {.name = name, .is_mask = true};
    int r = list && *list ? parse_mask(key, list, &mask, err) : 0;

    if (r == 0 && mask.mask_len)
        p->v[p->n++] = mask;
    return r;
}

/* systemd keeps whole percents: rounded up, for a container must not get less than it asked. */
static void add_quota(struct properties *p, const struct oci_resources *r)
{
    uint64_t period = r->cpu.period.set && r->cpu.period.value ? r->cpu.period.value : 100000;
    uint64_t quota = UINT64_MAX;

    if (r->cpu.period.set && r->cpu.period.value)
        add_number(p, "CPUQuotaPeriodUSec", period);
    if (!r->cpu.quota.set || r->cpu.quota.value == 0)
        return;
    if (r->cpu.quota.value > 0 && (uint64_t)r->cpu.quota.value < UINT64_MAX / 1000000)
        quota = ((uint64_t)r->cpu.quota.value * 1000000 / period + 9999) / 10000 * 10000;
    add_number(p, "CPUQuotaPerSecUSec", quota);
}

int cgroup_scope_properties(const struct oci_resources *r, uint64_t memory_bytes, bool v2,
                            struct scope_property ret[SCOPE_PROPERTIES_MAX], struct err *err)
{
    struct properties p = {ret, 0};
    uint64_t shares = r->cpu.shares.set ? r->cpu.shares.value : 0;
    int rc;

    if (r->memory.limit.set && r->memory.limit.value > 0 && memory_bytes)
        add_number(&p, v2 ? "MemoryMax" : "MemoryLimit", memory_bytes);
    if (shares)
        add_number(&p, v2 ? "CPUWeight" : "CPUShares",
                   v2 ? cgroup_weight_of_shares(shares) : shares);
    add_quota(&p, r);
    /* v1's cpuset is not systemd's. */
    if (v2 && ((rc = add_mask(&p, "AllowedCPUs", "cpus", r->cpu.cpus, err)) < 0 ||
               (rc = add_mask(&p, "AllowedMemoryNodes", "mems", r->cpu.mems, err)) < 0))
        return rc;
    return (int)p.n;
}
