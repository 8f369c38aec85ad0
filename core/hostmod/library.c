/* SPDX-License-Identifier: Apache-2.0 */
#include "hostmod/library.h"

static const struct library_function functions[] = {KMOD_FUNCTIONS(LIBRARY_ROW)};

int kmod_library_get(const struct kmod_library **ret, struct err *err)
{
    static struct kmod_library library;
    struct kmod_library l;
    int r;

    if (!library.kmod_new) {
        r = library_open("libkmod.so.2", functions, ARRAY_SIZE(functions), &l, err);
        if (r < 0) {
            err_in_phase(err, PHASE_PLUGIN);
            return err_wrap(err, "kernel modules");
        }
        library = l;
    }
    *ret = &library;
    return 0;
}
