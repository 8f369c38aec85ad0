/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of a bundle, from the annotations of each engine. */
#include <fcntl.h>
#include "rig.h"
#include "base/cleanup.h"
#include "base/path.h"

static void load(const char *sample, struct workload *ret)
{
    cleanup_free char *path = path_join(TEST_DATA_DIR "/oci", sample), *text = NULL;
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

    load("cri-sandbox.config.json", &w);
    CHECK(w.is_sandbox && !w.in_sandbox && !w.sandbox_id);
    CHECK(w.pod_name && w.pod_namespace);
    workload_done(&w);
    load("cri-container.config.json", &w);
    CHECK(!w.is_sandbox && w.in_sandbox && w.sandbox_id);
    CHECK(w.pod_name && w.container_name && w.image);
    workload_done(&w);
}

TEST(podmans_pod_member_names_its_infra_container)
{
    struct workload w;

    load("podman-pod-container.config.json", &w);
    CHECK(w.in_sandbox && w.sandbox_id);
    workload_done(&w);
    load("podman-pod-infra.config.json", &w);
    CHECK(!w.in_sandbox && !w.is_sandbox);
    workload_done(&w);
}

TEST(limits_user_network_and_architecture_arrive)
{
    struct workload w;

    load("podman-full.config.json", &w);
    CHECK_U64_EQ(w.memory_limit, 64 * MIB);
    CHECK_U64_EQ(w.cpu_quota, 100000);
    CHECK_U64_EQ(w.cpu_period, 100000);
    CHECK_STR_EQ(w.user, "1000");
    CHECK_STR_EQ(w.arch, "x86_64");
    CHECK_STR_EQ(w.runtime, "anyvisor");
    CHECK(w.own_network);
    workload_done(&w);
    load("podman-hostns.config.json", &w);
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
