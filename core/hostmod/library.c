/* SPDX-License-Identifier: Apache-2.0 */
#include "hostmod/library.h"
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include "base/macros.h"

#define LIBRARY "libkmod.so.2"
#define KMOD_ROW(name) {#name, offsetof(struct kmod_library, name)},

static const struct {
    const char *name;
    size_t offset;
} functions[] = {KMOD_FUNCTIONS(KMOD_ROW)};

int kmod_library_get(const struct kmod_library **ret, struct err *err)
{
    static struct kmod_library library;
    struct kmod_library l;
    void *handle;

    if (library.kmod_new) {
        *ret = &library;
        return 0;
    }
    handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; handle && i < ARRAY_SIZE(functions); i++) {
        void *f = dlsym(handle, functions[i].name);

        if (!f)
            handle = NULL;
        memcpy((char *)&l + functions[i].offset, &f, sizeof(f));
    }
    if (!handle)
        return err_set_phase(err, PHASE_PLUGIN, ENOENT, "kernel modules: %s", dlerror());
    library = l;
    *ret = &library;
    return 0;
}
