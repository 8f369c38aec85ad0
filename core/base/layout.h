/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.h - where the parts of this very installation are, found from the running executable, so
 * that a build folder, a prefix and a DESTDIR tree all work without configuration.
 */
#ifndef BASE_LAYOUT_H
#define BASE_LAYOUT_H
#include "base/err.h"

#define LAYOUT_DEFAULT_ROOT "/run/anyvisor"

struct layout {
    char *exe;         /* this executable */
    char *libexec_dir; /* anyvisor-monitor, anyvisor-proxy */
    char *backend_dir; /* plug-ins */
    char *guest_dir;   /* one folder per architecture */
    char *etc_dir;     /* anyvisor.yaml, plugins.d */
};

/* For programs in bin/. */
int layout_find(struct layout *ret, struct err *err);
void layout_done(struct layout *l);

const char *layout_version(void); /* "0.1.0" */

#endif
