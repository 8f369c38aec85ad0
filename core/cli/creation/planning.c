/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/creation/planning.h"
#include <inttypes.h>
#include <string.h>
#include "storage/storage.h"

static int look_at_source(void *ctx, const char *path, struct plan_source *ret, struct err *err)
{
    static const enum plan_source_kind kinds[] = {
        [STORAGE_DIR] = PLAN_SRC_DIR,       [STORAGE_FILE] = PLAN_SRC_FILE,
        [STORAGE_SOCKET] = PLAN_SRC_SOCKET, [STORAGE_DEVICE] = PLAN_SRC_DEVICE,
        [STORAGE_FIFO] = PLAN_SRC_FIFO,     [STORAGE_BLOCK] = PLAN_SRC_DEVICE,
    };
    struct storage_source s;
    int r = storage_inspect(path, &s, err);

    (void)ctx;
    if (r < 0)
        return r;
    *ret = (struct plan_source){
        .kind = kinds[s.kind],
        .on_tmpfs = s.on_tmpfs,
        .fs_size = s.fs_size,
        .fs_id = s.fs_id,
        .mode = s.mode,
        .shared = s.shared,
        .id = s.id,
    };
    return 0;
}

void planning_input(const char *id, const char *arch, uint32_t vcpus, struct plan_input *ret)
{
    *ret = (struct plan_input){
        .id = id,
        .arch = arch,
        .vcpus = vcpus,
        .source = look_at_source,
    };
}

static bool has_mount_in(const struct oci_spec *spec, const char *dir)
{
    size_t len = strlen(dir);

    for (size_t i = 0; i < spec->n_mounts; i++) {
        const char *at = spec->mounts[i].destination;

        if (strncmp(at, dir, len) == 0 && (at[len] == '\0' || at[len] == '/'))
            return true;
    }
    return false;
}

static void add_tmpfs(struct oci_spec *spec, const char *dir, uint64_t size)
{
    struct oci_mount m = {
        .destination = xstrdup(dir), .type = xstrdup("tmpfs"), .source = xstrdup("tmpfs")};

    strv_add(&m.options, "nosuid");
    strv_add(&m.options, "nodev");
    strv_add(&m.options, "mode=1777");
    strv_addf(&m.options, "size=%" PRIu64, size);
    spec->mounts = xreallocarray(spec->mounts, spec->n_mounts + 1, sizeof(*spec->mounts));
    spec->mounts[spec->n_mounts++] = m;
}

void planning_tmp(const struct config_sized *tmp, uint64_t vm_memory, struct oci_spec *spec)
{
    static const char *const dirs[] = {"/tmp", "/var/tmp"};
    uint64_t size = tmp->size == CONFIG_AUTO ? vm_memory / 2 : tmp->size;

    for (size_t i = 0; strcmp(tmp->kind, "tmpfs") == 0 && i < ARRAY_SIZE(dirs); i++)
        if (!has_mount_in(spec, dirs[i]))
            add_tmpfs(spec, dirs[i], size);
}
