/* SPDX-License-Identifier: Apache-2.0 */
#include "base/library.h"
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

int library_open(const char *file, const struct library_function *functions, size_t n, void *table,
                 struct err *err)
{
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);

    if (!handle)
        return err_set(err, ENOENT, "%s", dlerror());
    for (size_t i = 0; i < n; i++) {
        void *f = dlsym(handle, functions[i].name);

        if (!f)
            return err_set(err, ENOENT, "%s", dlerror());
        memcpy((char *)table + i * sizeof(f), &f, sizeof(f));
    }
    return 0;
}
