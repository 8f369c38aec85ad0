/* SPDX-License-Identifier: Apache-2.0 */
/* What `anyvisor features` prints: the document of the specification's features.md. */
#include <stdlib.h>
#include "oci/reader.h"
#include "oci/tables.h"

static json_object *words(const char *const *v, size_t n)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; i < n; i++)
        json_object_array_add(list, json_object_new_string(v[i]));
    return list;
}

static json_object *enabled(bool on)
{
    json_object *obj = json_object_new_object();

    json_object_object_add(obj, "enabled", json_object_new_boolean(on));
    return obj;
}

static json_object *hook_list(void)
{
    json_object *list = json_object_new_array();

    for (int i = 0; i < OCI_HOOK_KINDS; i++)
        json_object_array_add(list, json_object_new_string(oci_hook_name((enum oci_hook_kind)i)));
    return list;
}

/* Propagation to the host and idmapped mounts are refused by core/plan, so they are not listed. */
static json_object *mount_option_list(void)
{
    json_object *list = json_object_new_array();
    size_t n;
    const struct oci_mount_option *v = oci_mount_options(&n);

    for (size_t i = 0; i < n; i++)
        if (v[i].kind != OCI_MO_IDMAP)
            json_object_array_add(list, json_object_new_string(v[i].name));
    return list;
}

/* Without time: the guest would need it at boot, nobody has asked. */
static json_object *namespace_list(void)
{
    json_object *list = json_object_new_array();

    for (int i = 0; i < OCI_NS_TIME; i++)
        json_object_array_add(list,
                              json_object_new_string(oci_namespace_name((enum oci_ns_kind)i)));
    return list;
}

static json_object *capability_list(void)
{
    json_object *list = json_object_new_array();

    for (unsigned i = 0; i < OCI_CAPABILITIES; i++)
        json_object_array_add(list, json_object_new_string(oci_capability_name(i)));
    return list;
}

static json_object *seccomp_part(void)
{
    static const char *const actions[] = {
        "SCMP_ACT_ALLOW",       "SCMP_ACT_ERRNO", "SCMP_ACT_KILL",  "SCMP_ACT_KILL_PROCESS",
        "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",   "SCMP_ACT_TRACE", "SCMP_ACT_TRAP",
    };
    static const char *const operators[] = {
        "SCMP_CMP_EQ", "SCMP_CMP_GE",        "SCMP_CMP_GT", "SCMP_CMP_LE",
        "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE",
    };
    static const char *const archs[] = {
        "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_PPC64LE", "SCMP_ARCH_S390",
        "SCMP_ARCH_S390X",   "SCMP_ARCH_X32", "SCMP_ARCH_X86",     "SCMP_ARCH_X86_64",
    };
    static const char *const flags[] = {
        "SECCOMP_FILTER_FLAG_LOG",
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        "SECCOMP_FILTER_FLAG_TSYNC",
    };
    json_object *s = enabled(true);

    json_object_object_add(s, "actions", words(actions, ARRAY_SIZE(actions)));
    json_object_object_add(s, "operators", words(operators, ARRAY_SIZE(operators)));
    json_object_object_add(s, "archs", words(archs, ARRAY_SIZE(archs)));
    json_object_object_add(s, "knownFlags", words(flags, ARRAY_SIZE(flags)));
    json_object_object_add(s, "supportedFlags", words(flags, ARRAY_SIZE(flags)));
    return s;
}

static json_object *cgroup_part(void)
{
    static const struct {
        const char *key;
        bool on;
    } v[] = {
        {"v1", true}, {"v2", true}, {"systemd", true}, {"systemdUser", false}, {"rdma", false}};
    json_object *c = json_object_new_object();

    for (size_t i = 0; i < ARRAY_SIZE(v); i++)
        json_object_object_add(c, v[i].key, json_object_new_boolean(v[i].on));
    return c;
}

static json_object *mount_extensions(void)
{
    json_object *m = json_object_new_object();

    json_object_object_add(m, "idmap", enabled(false));
    return m;
}

char *oci_features_json(void)
{
    json_object *f = json_object_new_object(), *l = json_object_new_object();
    char *text;

    json_object_object_add(f, "ociVersionMin", json_object_new_string("1.0.0"));
    json_object_object_add(f, "ociVersionMax", json_object_new_string("1.2.0"));
    json_object_object_add(f, "hooks", hook_list());
    json_object_object_add(f, "mountOptions", mount_option_list());
    json_object_object_add(l, "namespaces", namespace_list());
    json_object_object_add(l, "capabilities", capability_list());
    json_object_object_add(l, "cgroup", cgroup_part());
    json_object_object_add(l, "seccomp", seccomp_part());
    json_object_object_add(l, "apparmor", enabled(false));
    json_object_object_add(l, "selinux", enabled(false));
    json_object_object_add(l, "intelRdt", enabled(false));
    json_object_object_add(l, "mountExtensions", mount_extensions());
    json_object_object_add(f, "linux", l);
    text = xasprintf("%s\n", json_object_to_json_string_ext(f, JSON_C_TO_STRING_PRETTY |
                                                                   JSON_C_TO_STRING_SPACED |
                                                                   JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(f);
    return text;
}
