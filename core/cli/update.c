/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "cli/cli.h"
#include "cli/creation/grow.h"
#include "cli/creation/planning.h"
#include "cli/creation/pod.h"
#include "cli/host_limits.h"
#include "cli/update.h"

#define O(member) offsetof(struct update_options, member)
static const struct option_row rows[] = {
    {"resources", 'r', OPTION_TEXT, O(resources), "FILE", "linux.resources as JSON; '-' is stdin"},
    {"memory", 0, OPTION_TEXT, O(memory), "BYTES", "memory limit"},
    {"memory-reservation", 0, OPTION_TEXT, O(reservation), "BYTES", "memory reservation"},
    {"memory-swap", 0, OPTION_TEXT, O(swap), "BYTES", "memory and swap; -1 is unlimited"},
    {"cpu-period", 0, OPTION_TEXT, O(cpu_period), "US", "CFS period in microseconds"},
    {"cpu-quota", 0, OPTION_TEXT, O(cpu_quota), "US", "CFS quota in microseconds"},
    {"cpu-share", 0, OPTION_TEXT, O(cpu_shares), "N", "relative CPU weight (2 to 262144)"},
    {"cpuset-cpus", 0, OPTION_TEXT, O(cpus), "LIST", "CPUs to use"},
    {"cpuset-mems", 0, OPTION_TEXT, O(mems), "LIST", "memory nodes to use"},
    {"blkio-weight", 0, OPTION_TEXT, O(blkio_weight), "N", "block I/O weight (10 to 1000)"},
    {"pids-limit", 0, OPTION_TEXT, O(pids), "N", "number of processes; -1 is unlimited"},
    {"kernel-memory", 0, OPTION_TEXT, OPTION_NONE, "BYTES", "accepted for runc's sake, ignored"},
    {"kernel-memory-tcp", 0, OPTION_TEXT, OPTION_NONE, "BYTES",
     "accepted for runc's sake, ignored"},
};

/* One option to its place in linux.resources. */
static const struct field {
    const char *option, *group, *key;
    size_t offset;
    bool text, size;
} fields[] = {
    {"memory", "memory", "limit", O(memory), false, true},
    {"memory-reservation", "memory", "reservation", O(reservation), false, true},
    {"memory-swap", "memory", "swap", O(swap), false, true},
    {"cpu-period", "cpu", "period", O(cpu_period), false, false},
    {"cpu-quota", "cpu", "quota", O(cpu_quota), false, false},
    {"cpu-share", "cpu", "shares", O(cpu_shares), false, false},
    {"cpuset-cpus", "cpu", "cpus", O(cpus), true, false},
    {"cpuset-mems", "cpu", "mems", O(mems), true, false},
    {"blkio-weight", "blockIO", "weight", O(blkio_weight), false, false},
    {"pids-limit", "pids", "limit", O(pids), false, false},
};

static int number_of(const struct field *f, const char *text, int64_t *ret, struct err *err)
{
    uint64_t bytes;

    if (str_to_i64(text, f->size ? -1 : INT64_MIN, INT64_MAX, ret) == 0)
        return 0;
    if (f->size && str_to_size(text, &bytes) == 0 && bytes <= INT64_MAX) {
        *ret = (int64_t)bytes;
        return 0;
    }
    return err_set(err, EINVAL, "--%s '%s': expected %s", f->option, text,
                   f->size ? "a size such as 64MiB, or -1" : "a number");
}

static int add_field(struct json_object *o, const struct field *f, const char *text,
                     struct err *err)
{
    struct json_object *group, *value;
    int64_t n;
    int r;

    if (f->text) {
        value = json_object_new_string(text);
    } else {
        if ((r = number_of(f, text, &n, err)) < 0)
            return r;
        value = json_object_new_int64(n);
    }
    if (!json_object_object_get_ex(o, f->group, &group)) {
        group = json_object_new_object();
        json_object_object_add(o, f->group, group);
    }
    json_object_object_add(group, f->key, value);
    return 0;
}

static int read_file(const char *file, struct oci_resources **ret, struct err *err)
{
    cleanup_free char *text = NULL;
    size_t len;
    int r = strcmp(file, "-") == 0 ? fd_read_all(STDIN_FILENO, OCI_CONFIG_MAX, &text, &len, err)
                                   : path_read(AT_FDCWD, file, OCI_CONFIG_MAX, &text, &len, err);

    return r < 0 ? r : oci_resources_parse(text, len, ret, err);
}

int update_resources(const struct update_options *o, struct oci_resources **ret, struct err *err)
{
    struct json_object *json;
    const char *text;
    int r = 0;

    if (o->resources)
        return read_file(o->resources, ret, err);
    json = json_object_new_object();
    for (size_t i = 0; i < ARRAY_SIZE(fields) && r == 0; i++) {
        text = *(const char *const *)((const char *)o + fields[i].offset);
        if (text)
            r = add_field(json, &fields[i], text, err);
    }
    if (r == 0) {
        text = json_object_to_json_string(json);
        r = oci_resources_parse(text, strlen(text), ret, err);
    }
    json_object_put(json);
    return r;
}

static int update_guest(const struct cli *cli, const struct container *c,
                        const struct oci_resources *r, struct err *err)
{
    cleanup_call(wbuf_done) struct wbuf body = {0};
    struct ipc_target target = {0};
    struct plan_cgroup plan = {0};
    struct strv warnings = {0};
    struct plan_input in;
    int e;

    planning_input(c->state.id, c->state.arch ? c->state.arch : "", c->state.vm_vcpus, &in);
    e = plan_cgroup_build(r, &in, &plan, &warnings, err);
    for (size_t i = 0; i < warnings.n; i++)
        log_warn("%s", warnings.v[i]);
    strv_done(&warnings);
    if (e < 0)
        return e;
    plan_cgroup_put(&body, &plan);
    plan_cgroup_done(&plan);
    target.cgroup = body.data;
    target.cgroup_len = body.len;
    e = container_request(cli, c, IPC_UPDATE, &target, CLI_REQUEST_MS, NULL, err);
    return e;
}

/* Here and on the host both hold before it is written down. */
static int remember(struct container *c, const struct oci_resources *r, struct err *err)
{
    if (!r->memory.limit.set && !r->cpu.quota.set)
        return 0;
    if (r->memory.limit.set)
        c->state.memory_limit = grow_memory_limit(r);
    if (r->cpu.quota.set)
        c->state.cpu_limit = grow_cpu_limit(r);
    return state_write(&c->dir, &c->state, err);
}

static int make_room(const struct cli *cli, struct container *c, const struct oci_resources *r,
                     struct err *err)
{
    const struct grow_limits limits = {grow_memory_limit(r), grow_cpu_limit(r)};
    const char *id = c->state.id;

    return pod_is_member(&c->state) ? grow_for_member(cli, &c->state, id, &limits, err)
                                    : grow_for(cli, c, id, &limits, err);
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};
    struct oci_resources *resources = NULL;
    int r;

    (void)argc;
    if ((r = container_open_locked(cli, argv[0], &c, err)) < 0)
        return r;
    if (c.status == STATE_STOPPED || c.status == STATE_CREATING)
        return err_set(err, EINVAL, "container not running");
    if ((r = update_resources(options, &resources, err)) < 0)
        return r;
    if ((r = pod_check_limits(&c.state, resources, err)) == 0 &&
        (r = make_room(cli, &c, resources, err)) == 0 &&
        (r = update_guest(cli, &c, resources, err)) == 0 &&
        (r = host_limits_write(&c, resources, err)) == 0)
        r = remember(&c, resources, err);
    oci_resources_free(resources);
    return r;
}

const struct verb verb_update = {
    .name = "update",
    .arguments = "ID",
    .summary = "change the resource limits of a running container",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct update_options),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
