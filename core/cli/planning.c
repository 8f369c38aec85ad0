/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/planning.h"
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
