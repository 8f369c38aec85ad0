/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostmod.h - kernel modules of the host that a back-end needs, by libkmod.
 * For the CLI (check) and whoever opens a plug-in; errors carry PHASE_PLUGIN.
 *
 * A name is one module ("tun"), alternatives ("kvm_intel|kvm_amd": one of them is enough), and may
 * end in '?' (wanted, but the back-end can do without it: "vhost_vsock?").
 */
#ifndef HOSTMOD_HOSTMOD_H
#define HOSTMOD_HOSTMOD_H
#include "base/err.h"

/* Ordered: of alternatives, the highest counts. */
enum hostmod_state {
    HOSTMOD_MISSING,     /* the running kernel has no such module */
    HOSTMOD_BLACKLISTED, /* modprobe.d forbids it, and it is not loaded */
    HOSTMOD_LOADABLE,
    HOSTMOD_UNKNOWN, /* a kernel without loadable modules does not tell what it has built in */
    HOSTMOD_BUILTIN,
    HOSTMOD_LOADED,
};

const char *hostmod_state_name(enum hostmod_state state); /* "loaded" */

/* State of a name without changing anything. -ENOMEM, -EINVAL (not a name). */
int hostmod_state(const char *name, enum hostmod_state *ret, struct err *err);

/*
 * The same, reading module lists below dir (as /lib/modules/VERSION) and only config (NULL-
 * terminated modprobe.d directories or files); NULL each for those of the host.
 */
int hostmod_state_in(const char *dir, const char *const *config, const char *name,
                     enum hostmod_state *ret, struct err *err);

/* Load what is not there yet; names is NULL-terminated or NULL. The first failure is reported. */
int hostmod_ensure(const char *const *names, struct err *err);

#endif
