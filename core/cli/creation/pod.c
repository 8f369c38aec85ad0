/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/creation/pod.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include "base/cleanup.h"
#include "base/log.h"
#include "base/path.h"
#include "cli/creation/choice.h"
#include "cli/creation/grow.h"
#include "cli/creation/proxy_command.h"
#include "oci/tables.h"

#define ENVIRON_MAX (1u << 20)

/* Kinds whose paths say whose VM it is. The mount namespace is always the container's own. */
static const enum oci_ns_kind joined_kinds[] = {OCI_NS_NETWORK, OCI_NS_IPC, OCI_NS_UTS, OCI_NS_PID};

bool pod_is_member(const struct state *s)
{
    return s->sandbox && s->id && strcmp(s->sandbox, s->id) != 0;
}

uint64_t pod_host_memory(const struct state *s, const struct oci_resources *r)
{
    if (s->vm_overhead)
        return s->vm_memory + s->vm_overhead;
    return r->memory.limit.value > 0 ? (uint64_t)r->memory.limit.value : 0;
}

static int check_memory(const struct state *s, const struct oci_resources *r, struct err *err)
{
    bool grows = s->vm_memory_max > s->vm_memory;
    uint64_t most = grows ? s->vm_memory_max : s->vm_memory, limit = grow_memory_limit(r);

    if (most == 0 || limit <= most)
        return 0;
    return err_set(err, ERANGE,
                   "memory limit of %" PRIu64 " bytes is more than the %" PRIu64
                   " bytes that the VM of container '%s' %s",
                   limit, most, s->sandbox ? s->sandbox : s->id,
                   grows ? "can grow to (vm.memory_max)" : "has");
}

/* Only of a VM of which it is said how far it grows. */
static int check_cpus(const struct state *s, const struct oci_resources *r, struct err *err)
{
    uint64_t limit = grow_cpu_limit(r);

    if (s->vm_vcpus_max == 0 || limit <= s->vm_vcpus_max * GROW_CPU)
        return 0;
    return err_set(err, ERANGE,
                   "CPU quota of %.6g processors is more than the %" PRIu64
                   " that the VM of container '%s' can grow to (vm.vcpus_max)",
                   (double)limit / GROW_CPU, s->vm_vcpus_max, s->sandbox ? s->sandbox : s->id);
}

int pod_check_limits(const struct state *s, const struct oci_resources *r, struct err *err)
{
    int e = check_memory(s, r, err);

    return e < 0 ? e : check_cpus(s, r, err);
}

/* No error, as on a host with fewer processors: the container only runs slower than it may. */
static void tell_missing_vcpus(const struct state *s, const struct oci_resources *r)
{
    uint64_t limit = grow_cpu_limit(r);

    if (s->vm_vcpus == 0 || s->vm_vcpus_max || limit <= (uint64_t)GROW_CPU * s->vm_vcpus)
        return;
    log_warn("CPU quota of %.6g processors is more than the %" PRIu32
             " of the VM of container '%s', ignoring what is above",
             (double)limit / GROW_CPU, s->vm_vcpus, s->id);
}

/* PID of "/proc/PID/ns/..."; 0: another path. */
static pid_t pid_of_path(const char *path)
{
    const char *rest = str_starts_with(path, "/proc/") ? path + strlen("/proc/") : "";
    cleanup_free char *digits = xstrndup(rest, strspn(rest, "0123456789"));
    uint64_t pid;

    if (str_to_u64(digits, 1, INT_MAX, &pid) < 0 || !str_starts_with(rest + strlen(digits), "/ns/"))
        return 0;
    return (pid_t)pid;
}

/* A proxy's environment names its container. It is only a hint, which the state confirms. */
static char *id_of_process(pid_t pid)
{
    cleanup_free char *path = xasprintf("/proc/%d/environ", (int)pid);
    cleanup_free char *text = NULL;
    size_t len;

    if (path_read(AT_FDCWD, path, ENVIRON_MAX, &text, &len, NULL) < 0)
        return NULL;
    for (char *at = text; at < text + len; at += strlen(at) + 1) {
        const char *slash = strrchr(at, '/');

        if (str_starts_with(at, PROXY_STATE_ENV "=") && slash)
            return xstrdup(slash + 1);
    }
    return NULL;
}

/* The container of this root whose process it is; -ENOENT: of none. */
static int container_of_process(const struct cli *cli, pid_t pid, struct container *ret)
{
    cleanup_free char *id = id_of_process(pid);
    struct err ignored = ERR_INIT;
    struct container c;

    if (!id || container_open(cli, id, &c, &ignored) < 0)
        return -ENOENT;
    if (c.state.proxy.pid != pid || !proc_alive(&c.state.proxy)) {
        container_close(&c);
        return -ENOENT;
    }
    *ret = c;
    return 0;
}

/* A process with a root of its own is a container of somebody else; one without holds a namespace
 * that an engine or administrator has made for us. */
static bool is_foreign_container(pid_t pid)
{
    cleanup_free char *path = xasprintf("/proc/%d/root", (int)pid);
    struct stat theirs, ours;

    return stat(path, &theirs) == 0 && stat("/", &ours) == 0 &&
           (theirs.st_ino != ours.st_ino || theirs.st_dev != ours.st_dev);
}

static int refuse_foreign(enum oci_ns_kind kind, const char *path, struct err *err)
{
    return err_set_phase(err, kind == OCI_NS_NETWORK ? PHASE_NETWORK : PHASE_CONFIG, ENOTSUP,
                         "%s namespace '%s' belongs to a container without a VM of this runtime, "
                         "which a container in a VM cannot join",
                         oci_namespace_name(kind), path);
}

/* From a container to the one that its VM belongs to. */
static int open_owner(const struct cli *cli, struct container *c, struct err *err)
{
    cleanup_free char *owner = NULL;
    int r;

    if (!pod_is_member(&c->state))
        return 0;
    owner = xstrdup(c->state.sandbox);
    container_close(c);
    r = container_open(cli, owner, c, err);
    return r < 0 ? err_wrap(err, "sandbox '%s'", owner) : 0;
}

static int find_by_annotation(const struct cli *cli, const struct workload *w,
                              struct container *ret, struct err *err)
{
    int r;

    if (!w->sandbox_id)
        return err_set_phase(err, PHASE_CONFIG, EINVAL,
                             "the annotations say that the container is in a pod's sandbox, but "
                             "not in which");
    r = container_open(cli, w->sandbox_id, ret, err);
    if (r == -ENOENT)
        return err_set_phase(err, PHASE_CONFIG, ENOENT,
                             "the pod's sandbox '%s' is no container of this runtime: a pod's "
                             "containers need the same runtime as its sandbox",
                             w->sandbox_id);
    return r < 0 ? r : open_owner(cli, ret, err);
}

/* As pod_find, for one namespace. */
static int find_by_path(const struct cli *cli, enum oci_ns_kind kind, const char *path,
                        struct container *ret, struct err *err)
{
    pid_t pid = pid_of_path(path);
    int r;

    if (!pid)
        return 0;
    if (container_of_process(cli, pid, ret) < 0)
        return is_foreign_container(pid) ? refuse_foreign(kind, path, err) : 0;
    r = open_owner(cli, ret, err);
    return r < 0 ? r : 1;
}

static int find_by_paths(const struct cli *cli, const struct oci_spec *spec, struct container *ret,
                         struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(joined_kinds) && r == 0; i++) {
        const char *path = spec->linux_.ns[joined_kinds[i]].path;

        if (path)
            r = find_by_path(cli, joined_kinds[i], path, ret, err);
    }
    return r;
}

int pod_find(const struct cli *cli, const struct oci_spec *spec, struct container *ret_owner,
             struct err *err)
{
    cleanup_call(workload_done) struct workload w = {0};
    int r;

    workload_from_spec(spec, NULL, choice_host_arch(), &w);
    if (!w.in_sandbox)
        return find_by_paths(cli, spec, ret_owner, err);
    r = find_by_annotation(cli, &w, ret_owner, err);
    return r < 0 ? r : 1;
}

/* Engines that pin namespaces give the same file to sandbox and members. */
static bool is_namespace_of(const char *path, pid_t pid)
{
    static const char *const names[] = {"net", "ipc", "uts", "pid"};
    struct stat want, have;

    if (stat(path, &want) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        cleanup_free char *own = xasprintf("/proc/%d/ns/%s", (int)pid, names[i]);

        if (stat(own, &have) == 0 && have.st_ino == want.st_ino && have.st_dev == want.st_dev)
            return true;
    }
    return false;
}

int pod_resolve_ns(void *ctx, const char *path, char **ret_id)
{
    const struct pod *pod = ctx;
    const struct state *owner = &pod->owner->state;
    cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};
    pid_t pid = pid_of_path(path);

    if (pid && container_of_process(pod->cli, pid, &c) == 0 && c.state.sandbox &&
        strcmp(c.state.sandbox, owner->id) == 0)
        *ret_id = xstrdup(c.state.id);
    else if (is_namespace_of(path, owner->proxy.pid))
        *ret_id = xstrdup(owner->id);
    else
        return -ENOENT;
    return 0;
}

static int check_namespaces(const struct cli *cli, const struct container *owner,
                            const struct oci_spec *spec, struct err *err)
{
    struct pod pod = {cli, owner};

    for (size_t i = 0; i < ARRAY_SIZE(joined_kinds); i++) {
        const char *path = spec->linux_.ns[joined_kinds[i]].path;
        cleanup_free char *id = NULL;

        if (path && pod_resolve_ns(&pod, path, &id) < 0)
            return err_set_phase(err, PHASE_CONFIG, ENOTSUP,
                                 "%s namespace '%s' is not one of the VM of '%s', which the "
                                 "container joins",
                                 oci_namespace_name(joined_kinds[i]), path, owner->state.id);
    }
    return 0;
}

int pod_check(const struct cli *cli, const struct container *owner, const struct oci_spec *spec,
              struct err *err)
{
    int r = check_namespaces(cli, owner, spec, err);

    if (r == 0)
        tell_missing_vcpus(&owner->state, &spec->linux_.resources);
    if (r == 0 && pod_check_limits(&owner->state, &spec->linux_.resources, err) < 0)
        r = err_in_phase(err, PHASE_POLICY);
    return r;
}
