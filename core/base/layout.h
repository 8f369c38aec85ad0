/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.h - where the parts of this very installation are, found from the running executable, so
 * that a build folder, a prefix and a DESTDIR tree all work without configuration.
 */
#ifndef BASE_LAYOUT_H
#define BASE_LAYOUT_H
#include <stdbool.h>
#include "base/err.h"

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

/*
 * Where things are kept: below /run and /var/cache for who may write there, else (an unprivileged
 * user, and root of a user namespace of his) below $XDG_RUNTIME_DIR and $XDG_CACHE_HOME or
 * ~/.cache. Never NULL, not made by this, valid to the end of the program.
 */
const char *layout_state_dir(void); /* the default of --root */
const char *layout_vm_dir(void);    /* holds the plug-ins' run_dirs: short paths */
const char *layout_cache_dir(void);
bool layout_is_users(void); /* true: the places are those of an unprivileged user */

#endif
