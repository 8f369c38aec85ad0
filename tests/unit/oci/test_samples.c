/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that the engines of this project's facts wrote parses. */
#include <dirent.h>
#include <fcntl.h>
#include "test.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "oci/oci.h"

#define DIR_NAME TEST_DATA_DIR "/oci"

static void parse_one(const char *name)
{
    cleanup_free char *path = path_join(DIR_NAME, name), *text = NULL;
    struct oci_spec *spec = NULL;
    struct oci_process *process = NULL;
    struct oci_resources *resources = NULL;
    struct err err = ERR_INIT;
    size_t len;
    int r = 0;

    CHECK_OK(path_read(AT_FDCWD, path, OCI_CONFIG_MAX, &text, &len, &err), err);
    if (str_ends_with(name, ".config.json"))
        r = oci_spec_parse(text, len, &spec, &err);
    else if (str_ends_with(name, ".process.json"))
        r = oci_process_parse(text, len, &process, &err);
    else if (str_ends_with(name, ".resources.json"))
        r = oci_resources_parse(text, len, &resources, &err);
    if (r < 0)
        TEST_FAIL("%s: %s", name, err.msg);
    oci_spec_free(spec);
    oci_process_free(process);
    oci_resources_free(resources);
}

TEST(every_sample_of_the_engines_parses)
{
    cleanup_dir DIR *d = opendir(DIR_NAME);
    struct dirent *e;
    int n = 0;

    CHECK(d);
    while ((e = readdir(d)))
        if (str_ends_with(e->d_name, ".json")) {
            parse_one(e->d_name);
            n++;
        }
    CHECK(n >= 22);
}

TEST(the_full_podman_sample_arrives_in_full)
{
    cleanup_free char *text = NULL;
    struct oci_spec *s = NULL;
    struct err err = ERR_INIT;
    size_t len;

    CHECK_OK(
        path_read(AT_FDCWD, DIR_NAME "/podman-full.config.json", OCI_CONFIG_MAX, &text, &len, &err),
        err);
    CHECK_OK(oci_spec_parse(text, len, &s, &err), err);
    CHECK_STR_EQ(s->version, "1.0.2-dev");
    CHECK(s->rootfs_readonly);
    CHECK_INT_EQ(s->process.user.umask, 18);
    CHECK_INT_EQ(s->process.n_rlimits, 2);
    CHECK_INT_EQ(s->n_mounts, 18);
    CHECK_STR_EQ(s->mounts[4].options.v[1], "rslave");
    CHECK_STR_EQ(kvs_get(&s->annotations, "io.container.manager"), "libpod");
    CHECK_INT_EQ(s->linux_.resources.memory.limit.value, 67108864);
    CHECK_STR_EQ(s->linux_.rootfs_propagation, "rslave");
    CHECK_STR_EQ(s->linux_.devices[0].path, "/dev/fuse");
    CHECK_INT_EQ(s->linux_.masked_paths.n, 11);
    oci_spec_free(s);
}
