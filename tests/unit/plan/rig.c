/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"
#include <errno.h>
#include <fcntl.h>
#include "test.h"
#include "base/cleanup.h"
#include "base/path.h"

struct rig rig;

/* Names say what they are: a host whose /run/x.sock is a socket, and so on. */
static int fake_source(void *ctx, const char *path, struct plan_source *ret, struct err *err)
{
    (void)ctx;
    *ret = (struct plan_source){.kind = PLAN_SRC_DIR, .mode = 0755, .fs_id = 7};
    if (strstr(path, "missing"))
        return err_set(err, ENOENT, "'%s': %m", path);
    if (str_ends_with(path, "shm"))
        *ret = (struct plan_source){PLAN_SRC_DIR, true, 64 * MIB, 0x2a, 01777, false, 0};
    else if (str_ends_with(path, ".sock"))
        ret->kind = PLAN_SRC_SOCKET;
    else if (str_ends_with(path, ".fifo"))
        ret->kind = PLAN_SRC_FIFO;
    else if (str_starts_with(path, "/dev/"))
        ret->kind = PLAN_SRC_DEVICE;
    else if (strstr(path, "hosts") || strstr(path, "resolv") || strstr(path, "file"))
        ret->kind = PLAN_SRC_FILE;
    ret->shared = strstr(path, "peers") != NULL;
    ret->id = strstr(path, "known") ? 0x1122 : 0;
    return 0;
}

static int fake_resolve(void *ctx, const char *path, char **ret_id)
{
    (void)ctx;
    if (!str_starts_with(path, "/proc/42/ns/"))
        return -ENOENT;
    *ret_id = xstrdup("infra");
    return 0;
}

static const struct plan_disk *given_disks;
static size_t n_given_disks;

void rig_disks(const struct plan_disk *disks, size_t n)
{
    given_disks = disks;
    n_given_disks = n;
}

static const struct plan_nfs *given_nfs;
static size_t n_given_nfs;

void rig_nfs(const struct plan_nfs *nfs, size_t n)
{
    given_nfs = nfs;
    n_given_nfs = n;
}

static void clear(void)
{
    oci_spec_free(rig.spec);
    plan_container_done(&rig.c);
    plan_shares_done(&rig.shares);
    memset(&rig, 0, sizeof(rig));
    rig.in = (struct plan_input){.id = "c1",
                                 .arch = "x86_64",
                                 .vcpus = 2,
                                 .state_json = "{}",
                                 .disks = given_disks,
                                 .n_disks = n_given_disks,
                                 .nfs = given_nfs,
                                 .n_nfs = n_given_nfs,
                                 .source = fake_source,
                                 .resolve_ns = fake_resolve};
}

static int build(const char *json, size_t len)
{
    clear();
    CHECK_OK(oci_spec_parse(json, len, &rig.spec, &rig.err), rig.err);
    return plan_build(rig.spec, &rig.in, &rig.c, &rig.shares, &rig.err);
}

int rig_build(const char *top, const char *linux_part)
{
    cleanup_free char *json =
        xasprintf("{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"/b/rootfs\"},"
                  "\"process\":{\"args\":[\"a\"],\"cwd\":\"/\"}%s%s,\"linux\":{%s}}",
                  top ? "," : "", top ? top : "", linux_part ? linux_part : "");

    return build(json, strlen(json));
}

void rig_must(const char *top, const char *linux_part)
{
    CHECK_OK(rig_build(top, linux_part), rig.err);
}

const struct plan_mount *rig_mount(const char *members)
{
    cleanup_free char *top = xasprintf("\"mounts\":[{%s}]", members);

    rig_must(top, NULL);
    CHECK_INT_EQ(rig.c.n_mounts, 1);
    return &rig.c.mounts[0];
}

void rig_load(const char *sample)
{
    cleanup_free char *path = path_join(TEST_DATA_DIR "/oci", sample), *text = NULL;
    struct err err = ERR_INIT;
    size_t len;

    CHECK_OK(path_read(AT_FDCWD, path, OCI_CONFIG_MAX, &text, &len, &err), err);
    if (build(text, len) < 0)
        TEST_FAIL("%s: %s", sample, rig.err.msg);
}

bool rig_warned(const char *part)
{
    for (size_t i = 0; i < rig.shares.warnings.n; i++)
        if (strstr(rig.shares.warnings.v[i], part))
            return true;
    return false;
}

const char *rig_file(const char *name)
{
    for (size_t i = 0; i < rig.c.cgroup.n_files; i++)
        if (strcmp(rig.c.cgroup.files[i].key, name) == 0)
            return rig.c.cgroup.files[i].value;
    return NULL;
}
