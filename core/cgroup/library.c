/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup/library.h"

static const struct library_function functions[] = {SYSTEMD_FUNCTIONS(LIBRARY_ROW)};

int systemd_library_get(const struct systemd_library **ret, struct err *err)
{
    static struct systemd_library library;
    struct systemd_library l;
    int r;

    if (!library.sd_bus_open_system) {
        r = library_open("libsystemd.so.0", functions, ARRAY_SIZE(functions), &l, err);
        if (r < 0)
            return r;
        library = l;
    }
    *ret = &library;
    return 0;
}
