/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of a bundle, from the annotations of each engine. */
#include <fcntl.h>
#include "rig.h"
#include "base/cleanup.h"
#include "base/path.h"

static void load(const char *sample, struct workload *ret)
{
    cleanup_free char *path = path_join(TEST_DATA_DIR, sample), *text = NULL;
    struct oci_spec *s = NULL;
    struct err err = ERR_INIT;
    size_t len;

    CHECK_OK(path_read(AT_FDCWD, path, OCI_CONFIG_MAX, &text, &len, &err), err);
    CHECK_OK(oci_spec_parse(text, len, &s, &err), err);
    workload_from_spec(s, "anyvisor", "x86_64", ret);
    oci_spec_free(s);
}

TEST(containerds_sandbox_and_member_are_told_apart)
{
    struct workload w;

    load("oci/cri-sandbox.config.json", &w);
    CHECK(w.is_sandbox && !w.in_sandbox && !w.sandbox_id);
    CHECK(w.pod_name && w.pod_namespace);
    workload_done(&w);
    load("oci/cri-container.config.json", &w);
    CHECK(!w.is_sandbox && w.in_sandbox && w.sandbox_id);
    CHECK(w.pod_name && w.container_name && w.image);
    workload_done(&w);
}

TEST(crios_sandbox_and_member_are_told_apart)
{
    struct workload w;

    load("oci/crio-sandbox.config.json", &w);
    CHECK(w.is_sandbox && !w.in_sandbox);
    CHECK_STR_EQ(w.pod_name, "segfaulter");
    CHECK_STR_EQ(w.pod_namespace, "default");
    CHECK_U64_EQ(w.memory_limit, 512 * MIB); /* of the pod, not of the pause container */
    CHECK_U64_EQ(w.cpu_quota, 150000);
    workload_done(&w);
    load("oci/crio-container.config.json", &w);
    CHECK(w.in_sandbox);
    CHECK_STR_EQ(w.sandbox_id, "134b58ab2e0c");
    CHECK_STR_EQ(w.pod_name, "segfaulter");
    CHECK_STR_EQ(w.pod_namespace, "default");
    CHECK_STR_EQ(w.container_name, "worker");
    CHECK_STR_EQ(w.image, "docker.io/library/busybox:latest");
    CHECK_U64_EQ(w.memory_limit, 0);
    workload_done(&w);
}

static void same_text(const char *call, const char *what, const char *got, const char *want)
{
    if (!got != !want || (got && strcmp(got, want) != 0))
        TEST_FAIL("%s: %s '%s', want '%s'", call, what, got ? got : "", want ? want : "");
}

/* podman, Docker and ctr tell a runtime neither the pod's name nor the image. */
TEST(each_recorded_call_tells_what_its_engine_knows)
{
    static const struct {
        const char *call, *pod_namespace, *pod_name, *container_name, *image, *sandbox;
        uint64_t memory, quota;
    } t[] = {
        {"podman-run", NULL, NULL, NULL, NULL, NULL, 128 * MIB, 150000},
        {"podman-pod-infra", NULL, NULL, NULL, NULL, NULL, 0, 0},
        {"podman-pod-member", NULL, NULL, NULL, NULL, "0123456789ab", 0, 0},
        {"podman-kube-member", NULL, NULL, NULL, NULL, "0123456789ab", 0, 0},
        {"docker-run", NULL, NULL, NULL, NULL, NULL, 128 * MIB, 150000},
        {"ctr-run", NULL, NULL, NULL, NULL, NULL, 128 * MIB, 0},
        {"cri-sandbox", "tests", "web-0", NULL, NULL, NULL, 128 * MIB, 150000},
        {"cri-member", "tests", "web-0", "worker", "docker.io/library/busybox:test", "0123456789ab",
         64 * MIB, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *path = xasprintf("calls/%s.config.json", t[i].call);
        struct workload w;

        load(path, &w);
        same_text(t[i].call, "namespace", w.pod_namespace, t[i].pod_namespace);
        same_text(t[i].call, "pod", w.pod_name, t[i].pod_name);
        same_text(t[i].call, "container", w.container_name, t[i].container_name);
        same_text(t[i].call, "image", w.image, t[i].image);
        same_text(t[i].call, "sandbox", w.sandbox_id, t[i].sandbox);
        CHECK_U64_EQ(w.memory_limit, t[i].memory);
        CHECK_U64_EQ(w.cpu_quota, t[i].quota);
        workload_done(&w);
    }
}

TEST(names_of_all_engines_match_the_same_rule)
{
    static const struct {
        const char *sample, *match;
        int want;
    } t[] = {
        {"oci/cri-sandbox.config.json", "pod_namespace: default, pod_name: pod1", 0},
        {"oci/cri-container.config.json", "pod_namespace: default, container_name: c2", 0},
        {"oci/cri-container.config.json", "image: '*/busybox:*', cgroup: /kubepods/*", 0},
        {"oci/cri-container.config.json", "pod_namespace: other", -1},
        {"oci/crio-sandbox.config.json", "pod_namespace: default, pod_name: seg*", 0},
        {"oci/crio-container.config.json", "pod_namespace: default, container_name: worker", 0},
        {"oci/podman-pod-container.config.json", "cgroup: /libpod_parent/*, pod_name: '*'", -1},
        {"oci/podman-full.config.json", "annotations: {io.container.manager: libpod}, user: '1000'",
         0},
        {"oci/podman-full.config.json", "runtime: anyvisor, platform: linux/amd64", 0},
        {"oci/podman-full.config.json", "mounts: [{destination: /dev/shm, type: bind}]", 0},
        {"oci/docker-full.config.json", "cgroup: /docker/*, mounts: [{destination: /etc/hosts}]",
         0},
        {"oci/docker-full.config.json",
         "mounts: [{destination: /proc, type: proc, options: nosuid}]", 0},
        {"oci/ctr-run.config.json", "cgroup: /default/*", 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *text = xasprintf("classes: [{name: c, match: {%s}}]\n", t[i].match);
        struct config c = rig_config(text);
        struct err err = ERR_INIT;
        struct workload w;
        int index = 99;

        load(t[i].sample, &w);
        CHECK_OK(policy_class(&c, &w, &index, &err), err);
        if (index != t[i].want)
            TEST_FAIL("%s, {%s}: class %d, want %d", t[i].sample, t[i].match, index, t[i].want);
        workload_done(&w);
        config_done(&c);
    }
}

static struct workload annotated(const char *annotations)
{
    cleanup_free char *json = xasprintf(
        "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},\"annotations\":{%s}}", annotations);
    struct oci_spec *s = NULL;
    struct workload w;
    struct err err = ERR_INIT;

    CHECK_OK(oci_spec_parse(json, strlen(json), &s, &err), err);
    workload_from_spec(s, NULL, "x86_64", &w);
    oci_spec_free(s);
    return w;
}

TEST(the_platform_is_the_annotations_the_images_or_the_hosts)
{
    static const struct {
        const char *annotations, *platform, *arch;
    } t[] = {
        {"", "linux/amd64", "x86_64"},
        {"\"org.opencontainers.image.architecture\":\"arm64\"", "linux/arm64", "aarch64"},
        {"\"org.opencontainers.image.architecture\":\"s390x\"", "linux/s390x", "s390x"},
        {"\"org.opencontainers.image.architecture\":\"386\"", "linux/386", "x86_64"},
        {"\"org.opencontainers.image.os\":\"freebsd\"", "freebsd/amd64", "x86_64"},
        {"\"org.anyvisor.arch\":\"aarch64\",\"org.opencontainers.image.architecture\":\"386\"",
         "linux/arm64", "aarch64"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        struct workload w = annotated(t[i].annotations);

        CHECK_STR_EQ(w.platform, t[i].platform);
        CHECK_STR_EQ(w.arch, t[i].arch);
        workload_done(&w);
    }
}

/* Numbers are in the text of annotations: of any length and in any form. */
TEST(a_pods_size_comes_from_its_engine)
{
    static const struct {
        const char *annotations;
        uint64_t memory, quota, period;
    } t[] = {
        {"\"io.kubernetes.cri.sandbox-memory\":\"178257920\"", 178257920, 0, 0},
        {"\"io.kubernetes.cri.sandbox-memory\":\"0\"", 0, 0, 0},
        {"\"io.kubernetes.cri.sandbox-memory\":\"-1\"", 0, 0, 0},
        {"\"io.kubernetes.cri.sandbox-memory\":\"99999999999999999999\"", 0, 0, 0},
        {"\"io.kubernetes.cri.sandbox-cpu-quota\":\"50000\"", 0, 50000, 100000},
        {"\"io.kubernetes.cri.sandbox-cpu-quota\":\"5\","
         "\"io.kubernetes.cri.sandbox-cpu-period\":\"7\"",
         0, 5, 7},
        {"\"pod-linux-resources.crio.io\":\"{\\\"memory_limit_in_bytes\\\": 64}\"", 64, 0, 0},
        {"\"pod-linux-resources.crio.io\":\"{\\\"memory_limit_in_bytes\\\"\"", 0, 0, 0},
        {"\"io.kubernetes.cri-o.PodLinuxResources\":\"nonsense\"", 0, 0, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *text =
            xasprintf("\"io.kubernetes.cri.container-type\":\"sandbox\",%s", t[i].annotations);
        struct workload w = annotated(text);

        CHECK_U64_EQ(w.memory_limit, t[i].memory);
        CHECK_U64_EQ(w.cpu_quota, t[i].quota);
        CHECK_U64_EQ(w.cpu_period, t[i].period);
        workload_done(&w);
    }
}

TEST(podmans_pod_member_names_its_infra_container)
{
    struct workload w;

    load("oci/podman-pod-container.config.json", &w);
    CHECK(w.in_sandbox && w.sandbox_id);
    workload_done(&w);
    load("oci/podman-pod-infra.config.json", &w);
    CHECK(!w.in_sandbox && !w.is_sandbox);
    workload_done(&w);
}

TEST(limits_user_network_and_architecture_arrive)
{
    struct workload w;

    load("oci/podman-full.config.json", &w);
    CHECK_U64_EQ(w.memory_limit, 64 * MIB);
    CHECK_U64_EQ(w.cpu_quota, 100000);
    CHECK_U64_EQ(w.cpu_period, 100000);
    CHECK_STR_EQ(w.user, "1000");
    CHECK_STR_EQ(w.arch, "x86_64");
    CHECK_STR_EQ(w.runtime, "anyvisor");
    CHECK(w.own_network);
    workload_done(&w);
    load("oci/podman-hostns.config.json", &w);
    CHECK(!w.own_network);
    CHECK_U64_EQ(w.memory_limit, 0);
    workload_done(&w);
}

TEST(an_annotation_names_another_architecture_and_v1s_infinity_is_no_limit)
{
    static const char json[] =
        "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},\"annotations\":"
        "{\"org.anyvisor.arch\":\"s390x\"},\"linux\":{\"resources\":{\"memory\":"
        "{\"limit\":9223372036854771712},\"cpu\":{\"quota\":5}}}}";
    struct oci_spec *s = NULL;
    struct workload w;
    struct err err = ERR_INIT;

    CHECK_OK(oci_spec_parse(json, strlen(json), &s, &err), err);
    workload_from_spec(s, NULL, "x86_64", &w);
    CHECK_STR_EQ(w.arch, "s390x");
    CHECK_U64_EQ(w.memory_limit, 0);
    CHECK_U64_EQ(w.cpu_period, 100000);
    CHECK(!w.runtime);
    workload_done(&w);
    oci_spec_free(s);
}

TEST(a_pods_vm_is_sized_by_what_containerd_says_of_the_pod)
{
    static const char json[] =
        "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},\"annotations\":{"
        "\"io.kubernetes.cri.container-type\":\"sandbox\","
        "\"io.kubernetes.cri.sandbox-memory\":\"402653184\","
        "\"io.kubernetes.cri.sandbox-cpu-quota\":\"150000\","
        "\"io.kubernetes.cri.sandbox-cpu-period\":\"x\"},\"linux\":{\"resources\":{\"memory\":"
        "{\"limit\":1048576},\"cpu\":{\"quota\":5,\"period\":10}}}}";
    struct oci_spec *s = NULL;
    struct workload w;
    struct err err = ERR_INIT;

    CHECK_OK(oci_spec_parse(json, strlen(json), &s, &err), err);
    workload_from_spec(s, NULL, "x86_64", &w);
    CHECK(w.is_sandbox);
    CHECK_U64_EQ(w.memory_limit, 384 * MIB);
    CHECK_U64_EQ(w.cpu_quota, 150000);
    CHECK_U64_EQ(w.cpu_period, 100000);
    workload_done(&w);
    oci_spec_free(s);
}
