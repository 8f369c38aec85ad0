/* SPDX-License-Identifier: Apache-2.0 */
/* The files that are installed parse, and explain every key that there is. */
#include <fcntl.h>
#include "test.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "config/config.h"

#define FILE_NAME CONFIGS_DIR "/anyvisor.yaml"

TEST(the_shipped_configuration_says_what_the_defaults_are)
{
    struct config c, d;
    struct err err = ERR_INIT;

    CHECK_OK(config_load(FILE_NAME, &c, &err), err);
    config_defaults(CONFIGS_DIR, &d);
    CHECK_STR_EQ(c.plugins_dir, d.plugins_dir);
    CHECK_INT_EQ(c.hypervisor.n, d.hypervisor.n);
    CHECK_STR_EQ(c.hypervisor.v[0], d.hypervisor.v[0]);
    CHECK_STR_EQ(c.storage.rootfs.v[0], d.storage.rootfs.v[0]);
    CHECK_STR_EQ(c.storage.volumes.v[0], d.storage.volumes.v[0]);
    CHECK_U64_EQ(c.vm.vcpus, d.vm.vcpus);
    CHECK_U64_EQ(c.vm.memory, d.vm.memory);
    CHECK_U64_EQ(c.vm.memory_overhead, d.vm.memory_overhead);
    CHECK_U64_EQ(c.vm.memory_max, d.vm.memory_max);
    CHECK_U64_EQ(c.vm.vcpus_max, d.vm.vcpus_max);
    CHECK_U64_EQ(c.boot_timeout_s, d.boot_timeout_s);
    CHECK_INT_EQ(c.n_classes, d.n_classes);
    CHECK_INT_EQ(c.allow.n, d.allow.n);
    config_done(&c);
    config_done(&d);
}

TEST(the_shipped_configuration_explains_every_key)
{
    cleanup_free char *text = NULL;
    struct strv keys = {0};
    struct err err = ERR_INIT;
    size_t len;

    CHECK_OK(path_read(AT_FDCWD, FILE_NAME, CONFIG_FILE_MAX, &text, &len, &err), err);
    config_keys(&keys);
    CHECK(keys.n > 25);
    CHECK(strv_has(&keys, "classes[].match.pod_name"));
    CHECK(strv_has(&keys, "defaults.vm.memory"));
    for (size_t i = 0; i < keys.n; i++) {
        const char *dot = strrchr(keys.v[i], '.');

        if (!strstr(text, dot ? dot + 1 : keys.v[i]))
            TEST_FAIL("'%s' is not explained", keys.v[i]);
    }
    strv_done(&keys);
}

/* The lines of the commented example, without their "# ", below a list of classes. */
static char *example_of(const char *text)
{
    const char *line = strstr(text, "An example with every key:"), *end;
    char *out = xstrdup("version: 1\nclasses:\n");

    CHECK(line);
    for (line = strchr(line, '\n') + 1; *line == '#'; line = end + 1) {
        char *longer;

        end = strchr(line, '\n');
        if (str_starts_with(line, "# Annotations"))
            break;
        longer = xasprintf("%s %.*s\n", out, (int)(end - line - 1), line + 1);
        free(out);
        out = longer;
    }
    return out;
}

TEST(the_commented_example_of_classes_parses)
{
    cleanup_free char *text = NULL, *example = NULL;
    struct config c;
    struct err err = ERR_INIT;
    size_t len;

    CHECK_OK(path_read(AT_FDCWD, FILE_NAME, CONFIG_FILE_MAX, &text, &len, &err), err);
    example = example_of(text);
    CHECK_OK(config_parse(example, strlen(example), "example", "/", &c, &err), err);
    CHECK_INT_EQ(c.n_classes, 3);
    CHECK_STR_EQ(config_match_text(&c.classes[1].match, FACT_CLASS), "large-*");
    config_done(&c);
}

TEST(the_keys_of_descriptors_are_known_by_name)
{
    struct strv keys = {0};

    descriptor_keys(&keys);
    CHECK_INT_EQ(keys.n, 8);
    CHECK(strv_has(&keys, "modules"));
    CHECK(strv_has(&keys, "paths"));
    CHECK(strv_has(&keys, "requires"));
    strv_done(&keys);
}

TEST(the_shipped_descriptors_parse)
{
    struct descriptor_list l;
    struct err err = ERR_INIT;

    CHECK_OK(descriptor_load_dir(PLUGINS_DIR, "/lib", &l, &err), err);
    descriptor_list_done(&l);
}
