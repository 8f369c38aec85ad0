/* SPDX-License-Identifier: Apache-2.0 */
/* What the engines say about a container, each in its own annotations, in one form. */
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "policy/policy.h"

#define UNLIMITED (INT64_C(1) << 50) /* v1's "no limit" is a number near 2^63 */

/* The first key that is there; NULL-terminated. */
static char *first_of(const struct kvs *annotations, const char *const *keys)
{
    for (; *keys; keys++) {
        const char *value = kvs_get(annotations, *keys);

        if (value && *value)
            return xstrdup(value);
    }
    return NULL;
}

static void set_names(struct workload *w)
{
    static const char *const pod_namespace[] = {"io.kubernetes.cri.sandbox-namespace",
                                                "io.kubernetes.cri-o.Namespace",
                                                "io.kubernetes.pod.namespace", NULL};
    static const char *const pod_name[] = {"io.kubernetes.cri.sandbox-name",
                                           "io.kubernetes.cri-o.KubeName", "io.kubernetes.pod.name",
                                           NULL};
    static const char *const container[] = {"io.kubernetes.cri.container-name",
                                            "io.kubernetes.container.name",
                                            "io.kubernetes.cri-o.ContainerName", NULL};
    static const char *const image[] = {"io.kubernetes.cri.image-name",
                                        "io.kubernetes.cri-o.ImageName",
                                        "io.kubernetes.cri-o.Image", NULL};

    w->pod_namespace = first_of(&w->annotations, pod_namespace);
    w->pod_name = first_of(&w->annotations, pod_name);
    w->container_name = first_of(&w->annotations, container);
    w->image = first_of(&w->annotations, image);
}

static bool is_of_type(const struct kvs *annotations, const char *wanted)
{
    static const char *const keys[] = {"io.kubernetes.cri.container-type",
                                       "io.kubernetes.cri-o.ContainerType", NULL};
    cleanup_free char *type = first_of(annotations, keys);

    return type && strcmp(type, wanted) == 0;
}

bool workload_is_sandbox(const struct kvs *annotations)
{
    return is_of_type(annotations, "sandbox");
}

/* podman's infra container has neither annotation: it looks like any container. */
static void set_sandbox(struct workload *w)
{
    static const char *const id_keys[] = {"io.kubernetes.cri.sandbox-id",
                                          "io.kubernetes.cri-o.SandboxID", NULL};

    w->is_sandbox = workload_is_sandbox(&w->annotations);
    w->in_sandbox = is_of_type(&w->annotations, "container");
    if (w->in_sandbox)
        w->sandbox_id = first_of(&w->annotations, id_keys);
}

/* A number of containerd's about the whole pod; 0: it says nothing. */
static uint64_t pod_number(const struct workload *w, const char *key)
{
    const char *text = kvs_get(&w->annotations, key);
    uint64_t n;

    return text && str_to_u64(text, 1, UNLIMITED - 1, &n) == 0 ? n : 0;
}

/* The same of CRI-O, which writes a flat JSON object of plain members. */
static uint64_t pod_member(const char *json, const char *name)
{
    cleanup_free char *quoted = xasprintf("\"%s\"", name), *digits = NULL;
    const char *at = strstr(json, quoted);
    uint64_t n;

    if (!at)
        return 0;
    at += strlen(quoted);
    at += strspn(at, " \t:");
    digits = xstrndup(at, strspn(at, "0123456789"));
    return str_to_u64(digits, 1, UNLIMITED - 1, &n) == 0 ? n : 0;
}

/* The sandbox's own limits are those of a process that sleeps: its VM holds all of the pod. */
static void set_pod_limits(struct workload *w)
{
    static const char *const crio[] = {"pod-linux-resources.crio.io",
                                       "io.kubernetes.cri-o.PodLinuxResources", NULL};
    cleanup_free char *json = first_of(&w->annotations, crio);

    if (json) {
        w->memory_limit = pod_member(json, "memory_limit_in_bytes");
        w->cpu_quota = pod_member(json, "cpu_quota");
        w->cpu_period = pod_member(json, "cpu_period");
    } else {
        w->memory_limit = pod_number(w, "io.kubernetes.cri.sandbox-memory");
        w->cpu_quota = pod_number(w, "io.kubernetes.cri.sandbox-cpu-quota");
        w->cpu_period = pod_number(w, "io.kubernetes.cri.sandbox-cpu-period");
    }
    if (w->cpu_quota && !w->cpu_period)
        w->cpu_period = 100000;
}

static void set_limits(struct workload *w, const struct oci_resources *r)
{
    if (r->memory.limit.value > 0 && r->memory.limit.value < UNLIMITED)
        w->memory_limit = (uint64_t)r->memory.limit.value;
    if (r->cpu.quota.value > 0) {
        w->cpu_quota = (uint64_t)r->cpu.quota.value;
        w->cpu_period = r->cpu.period.value ? r->cpu.period.value : 100000;
    }
}

/* OCI's names of architectures are Go's; those that are not here are the kernel's, too. */
static const struct {
    const char *oci, *uname;
} architectures[] = {
    {"amd64", "x86_64"},
    {"arm64", "aarch64"},
    {"386", "x86_64"},
    {"arm", "armv7l"},
};

static const char *uname_of(const char *oci)
{
    for (size_t i = 0; i < ARRAY_SIZE(architectures); i++)
        if (strcmp(architectures[i].oci, oci) == 0)
            return architectures[i].uname;
    return oci;
}

static const char *oci_of(const char *uname)
{
    for (size_t i = 0; i < ARRAY_SIZE(architectures); i++)
        if (strcmp(architectures[i].uname, uname) == 0)
            return architectures[i].oci;
    return uname;
}

/* The annotations of the image are those that its configuration is converted to. */
static void set_platform(struct workload *w, const char *host_arch)
{
    const char *os = kvs_get(&w->annotations, "org.opencontainers.image.os");
    const char *of_image = kvs_get(&w->annotations, "org.opencontainers.image.architecture");
    const char *arch = kvs_get(&w->annotations, POLICY_ANNOTATION_ARCH);

    if (arch && *arch)
        of_image = NULL;
    else
        arch = of_image && *of_image ? uname_of(of_image) : host_arch;
    w->arch = xstrdup(arch);
    if (arch)
        w->platform = xasprintf("%s/%s", os && *os ? os : "linux",
                                of_image && *of_image ? of_image : oci_of(arch));
}

static void set_mounts(struct workload *w, const struct oci_spec *spec)
{
    w->mounts = xcalloc(spec->n_mounts + 1, sizeof(*w->mounts));
    for (; w->n_mounts < spec->n_mounts; w->n_mounts++) {
        const struct oci_mount *from = &spec->mounts[w->n_mounts];
        struct workload_mount *to = &w->mounts[w->n_mounts];

        to->destination = xstrdup(from->destination);
        to->type = xstrdup(from->type);
        to->source = xstrdup(from->source);
        for (size_t i = 0; i < from->options.n; i++)
            strv_add(&to->options, from->options.v[i]);
    }
}

void workload_from_spec(const struct oci_spec *spec, const char *runtime, const char *host_arch,
                        struct workload *ret)
{
    struct workload w = {0};

    for (size_t i = 0; i < spec->annotations.n; i++)
        kvs_add(&w.annotations, spec->annotations.v[i].key, spec->annotations.v[i].value);
    set_names(&w);
    set_sandbox(&w);
    w.runtime = xstrdup(runtime);
    w.cgroup = xstrdup(spec->linux_.cgroups_path);
    set_platform(&w, host_arch);
    set_mounts(&w, spec);
    w.user = xasprintf("%u", spec->process.user.uid);
    w.own_network = spec->linux_.ns[OCI_NS_NETWORK].listed;
    if (w.is_sandbox)
        set_pod_limits(&w);
    else
        set_limits(&w, &spec->linux_.resources);
    *ret = w;
}

void workload_done(struct workload *w)
{
    free(w->pod_namespace);
    free(w->pod_name);
    free(w->container_name);
    free(w->image);
    free(w->user);
    free(w->runtime);
    free(w->arch);
    free(w->sandbox_id);
    free(w->platform);
    free(w->cgroup);
    free(w->chosen);
    for (size_t i = 0; i < w->n_mounts; i++) {
        free(w->mounts[i].destination);
        free(w->mounts[i].type);
        free(w->mounts[i].source);
        strv_done(&w->mounts[i].options);
    }
    free(w->mounts);
    kvs_done(&w->annotations);
    memset(w, 0, sizeof(*w));
}
