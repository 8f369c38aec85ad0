/* SPDX-License-Identifier: Apache-2.0 */
/* `linux.resources` of config.json, which is also the whole text of update --resources. */
#include <string.h>
#include "base/cleanup.h"
#include "oci/reader.h"

static const char *const throttle_names[OCI_THROTTLE_KINDS] = {
    [OCI_THROTTLE_READ_BPS] = "throttleReadBpsDevice",
    [OCI_THROTTLE_WRITE_BPS] = "throttleWriteBpsDevice",
    [OCI_THROTTLE_READ_IOPS] = "throttleReadIOPSDevice",
    [OCI_THROTTLE_WRITE_IOPS] = "throttleWriteIOPSDevice",
};

static void read_device_rule(struct reader *r, json_object *obj, void *dest)
{
    struct oci_device_rule *d = dest;

    rd_bool(r, obj, "allow", &d->allow);
    rd_str(r, obj, "type", &d->type);
    rd_str(r, obj, "access", &d->access);
    rd_opt_i64(r, obj, "major", &d->major);
    rd_opt_i64(r, obj, "minor", &d->minor);
    if (!r->code && d->type && *d->type && (strlen(d->type) != 1 || !strchr("abc", d->type[0])))
        rd_fail(r, "type", "'%s' is none of a, b, c", d->type);
    if (!r->code && d->access && d->access[strspn(d->access, "rwm")])
        rd_fail(r, "access", "'%s' has letters other than r, w, m", d->access);
}

static void read_memory(struct reader *r, json_object *obj, struct oci_resources *res)
{
    json_object *m = rd_enter(r, obj, "memory");

    if (!m)
        return;
    rd_opt_i64(r, m, "limit", &res->memory.limit);
    rd_opt_i64(r, m, "reservation", &res->memory.reservation);
    rd_opt_i64(r, m, "swap", &res->memory.swap);
    rd_opt_i64(r, m, "kernel", &res->memory.kernel);
    rd_opt_i64(r, m, "kernelTCP", &res->memory.kernel_tcp);
    rd_opt_u64(r, m, "swappiness", &res->memory.swappiness);
    rd_bool(r, m, "disableOOMKiller", &res->memory.disable_oom_killer);
    rd_bool(r, m, "useHierarchy", &res->memory.use_hierarchy);
    rd_bool(r, m, "checkBeforeUpdate", &res->memory.check_before_update);
    rd_leave(r);
}

static void read_cpu(struct reader *r, json_object *obj, struct oci_resources *res)
{
    json_object *c = rd_enter(r, obj, "cpu");

    if (!c)
        return;
    rd_opt_u64(r, c, "shares", &res->cpu.shares);
    rd_opt_i64(r, c, "quota", &res->cpu.quota);
    rd_opt_u64(r, c, "burst", &res->cpu.burst);
    rd_opt_u64(r, c, "period", &res->cpu.period);
    rd_opt_i64(r, c, "realtimeRuntime", &res->cpu.realtime_runtime);
    rd_opt_u64(r, c, "realtimePeriod", &res->cpu.realtime_period);
    rd_opt_i64(r, c, "idle", &res->cpu.idle);
    rd_str(r, c, "cpus", &res->cpu.cpus);
    rd_str(r, c, "mems", &res->cpu.mems);
    rd_leave(r);
}

static void read_weight_device(struct reader *r, json_object *obj, void *dest)
{
    struct oci_weight_device *w = dest;

    rd_i64(r, obj, "major", 0, UINT32_MAX, &w->major);
    rd_i64(r, obj, "minor", 0, UINT32_MAX, &w->minor);
    rd_opt_u64(r, obj, "weight", &w->weight);
    rd_opt_u64(r, obj, "leafWeight", &w->leaf_weight);
}

static void read_throttle(struct reader *r, json_object *obj, void *dest)
{
    struct oci_throttle *t = dest;

    rd_i64(r, obj, "major", 0, UINT32_MAX, &t->major);
    rd_i64(r, obj, "minor", 0, UINT32_MAX, &t->minor);
    rd_u64(r, obj, "rate", UINT64_MAX, &t->rate);
}

static void read_block_io(struct reader *r, json_object *obj, struct oci_resources *res)
{
    json_object *b = rd_enter(r, obj, "blockIO");

    if (!b)
        return;
    if (rd_u64(r, b, "weight", UINT16_MAX, &res->block_io.weight.value))
        res->block_io.weight.set = true;
    if (rd_u64(r, b, "leafWeight", UINT16_MAX, &res->block_io.leaf_weight.value))
        res->block_io.leaf_weight.set = true;
    rd_list(r, b, "weightDevice", sizeof(struct oci_weight_device), read_weight_device,
            &res->block_io.weight_devices, &res->block_io.n_weight_devices);
    for (size_t i = 0; i < OCI_THROTTLE_KINDS; i++)
        rd_list(r, b, throttle_names[i], sizeof(struct oci_throttle), read_throttle,
                &res->block_io.throttle[i].v, &res->block_io.throttle[i].n);
    rd_leave(r);
}

/* "2MB": it becomes part of a file name, and no page has another size than a power of two. */
static bool is_page_size(const char *s)
{
    size_t digits = strspn(s, "0123456789");
    unsigned n = 0;

    for (size_t i = 0; i < digits && digits <= 4; i++)
        n = n * 10 + (unsigned)(s[i] - '0');
    return n != 0 && (n & (n - 1)) == 0 && s[digits] && strchr("KMG", s[digits]) &&
           strcmp(s + digits + 1, "B") == 0;
}

static void read_hugepage(struct reader *r, json_object *obj, void *dest)
{
    struct oci_hugepage_limit *h = dest;

    rd_need_str(r, obj, "pageSize", &h->page_size);
    rd_u64(r, obj, "limit", UINT64_MAX, &h->limit);
    if (!r->code && !is_page_size(h->page_size))
        rd_fail(r, "pageSize", "'%s' is no size of pages, such as 2MB", h->page_size);
}

static void read_net_priority(struct reader *r, json_object *obj, void *dest)
{
    struct oci_net_priority *p = dest;

    rd_need_str(r, obj, "name", &p->name);
    rd_u32(r, obj, "priority", &p->priority);
}

static void read_network(struct reader *r, json_object *obj, struct oci_resources *res)
{
    json_object *n = rd_enter(r, obj, "network");

    if (!n)
        return;
    rd_opt_u64(r, n, "classID", &res->net_class_id);
    rd_list(r, n, "priorities", sizeof(struct oci_net_priority), read_net_priority,
            &res->net_priorities, &res->n_net_priorities);
    rd_leave(r);
}

/* A map from device name to limits, not a list. */
static void read_rdma(struct reader *r, json_object *obj, struct oci_resources *res)
{
    json_object *map = rd_enter(r, obj, "rdma");

    if (!map)
        return;
    res->rdma = xcalloc((size_t)json_object_object_length(map) + 1, sizeof(*res->rdma));
    json_object_object_foreach(map, name, value)
    {
        struct oci_rdma *d = &res->rdma[res->n_rdma];

        if (r->code || !value)
            continue;
        if (!json_object_is_type(value, json_type_object)) {
            rd_fail(r, name, "expected an object");
            continue;
        }
        d->device = xstrdup(name);
        rd_opt_u64(r, value, "hcaHandles", &d->hca_handles);
        rd_opt_u64(r, value, "hcaObjects", &d->hca_objects);
        res->n_rdma++;
    }
    rd_leave(r);
}

void read_resources(struct reader *r, json_object *obj, struct oci_resources *res)
{
    json_object *pids;

    rd_list(r, obj, "devices", sizeof(struct oci_device_rule), read_device_rule, &res->devices,
            &res->n_devices);
    read_memory(r, obj, res);
    read_cpu(r, obj, res);
    if ((pids = rd_enter(r, obj, "pids"))) {
        rd_opt_i64(r, pids, "limit", &res->pids_limit);
        rd_leave(r);
    }
    read_block_io(r, obj, res);
    rd_list(r, obj, "hugepageLimits", sizeof(struct oci_hugepage_limit), read_hugepage,
            &res->hugepages, &res->n_hugepages);
    read_network(r, obj, res);
    read_rdma(r, obj, res);
    rd_kvs(r, obj, "unified", &res->unified);
}

int oci_resources_parse(const char *json, size_t len, struct oci_resources **ret, struct err *err)
{
    struct reader r = {.file = "resources.json", .err = err};
    struct oci_resources *res;
    json_object *obj = NULL;
    int e = reader_parse(json, len, r.file, &obj, err);

    if (e < 0)
        return e;
    res = xcalloc(1, sizeof(*res));
    read_resources(&r, obj, res);
    json_object_put(obj);
    if (r.code) {
        oci_resources_free(res);
        return r.code;
    }
    *ret = res;
    return 0;
}
