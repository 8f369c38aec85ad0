/* SPDX-License-Identifier: Apache-2.0 */
/* What `anyvisor spec` and `anyvisor features` print, and the tables behind it. */
#include <json-c/json.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include "test.h"
#include "base/cleanup.h"
#include "oci/oci.h"
#include "oci/tables.h"

TEST(the_default_spec_parses_in_both_forms)
{
    for (int rootless = 0; rootless < 2; rootless++) {
        cleanup_free char *json = oci_spec_default_json(rootless);
        struct oci_spec *s = NULL;
        struct err err = ERR_INIT;

        CHECK_OK(oci_spec_parse(json, strlen(json), &s, &err), err);
        CHECK_STR_EQ(s->rootfs, "rootfs");
        CHECK_STR_EQ(s->process.args.v[0], "sh");
        CHECK_STR_EQ(s->process.cwd, "/");
        CHECK_INT_EQ(s->n_mounts, rootless ? 6 : 7);
        CHECK_INT_EQ(s->linux_.ns[OCI_NS_USER].listed, rootless);
        CHECK_INT_EQ(s->linux_.ns[OCI_NS_NETWORK].listed, !rootless);
        CHECK_INT_EQ(s->linux_.uid_map.n, rootless);
        CHECK_INT_EQ(s->linux_.masked_paths.n, 10);
        oci_spec_free(s);
    }
}

static size_t list_length(json_object *obj, const char *key)
{
    json_object *list = json_object_object_get(obj, key);

    CHECK(json_object_is_type(list, json_type_array));
    return json_object_array_length(list);
}

TEST(features_list_hooks_options_and_capabilities)
{
    cleanup_free char *text = oci_features_json();
    json_object *f = json_tokener_parse(text), *l;

    CHECK(f);
    CHECK_INT_EQ(list_length(f, "hooks"), OCI_HOOK_KINDS);
    CHECK(list_length(f, "mountOptions") > 50);
    l = json_object_object_get(f, "linux");
    CHECK_INT_EQ(list_length(l, "capabilities"), OCI_CAPABILITIES);
    CHECK_INT_EQ(list_length(l, "namespaces"), 7);
    CHECK_CONTAINS(text, "\"SCMP_ACT_ERRNO\"");
    CHECK(!strstr(text, "SCMP_ACT_NOTIFY")); /* refused by core/plan */
    json_object_put(f);
}

TEST(words_stand_for_their_kernel_constants)
{
    CHECK_INT_EQ(oci_capability_parse("CAP_SYS_ADMIN"), 21);
    CHECK_INT_EQ(oci_capability_parse("CAP_CHECKPOINT_RESTORE"), 40);
    CHECK_INT_EQ(oci_capability_parse("SYS_ADMIN"), -1);
    CHECK_STR_EQ(oci_capability_name(0), "CAP_CHOWN");
    CHECK_INT_EQ(oci_rlimit_parse("RLIMIT_NOFILE"), RLIMIT_NOFILE);
    CHECK_INT_EQ(oci_rlimit_parse("NOFILE"), -1);
    CHECK_U64_EQ(oci_mount_option_find("rbind")->bits, MS_BIND | MS_REC);
    CHECK_U64_EQ(oci_mount_option_find("rslave")->bits, MS_SLAVE | MS_REC);
    CHECK(oci_mount_option_find("rw")->clear);
    CHECK(!oci_mount_option_find("size=1m"));
}
