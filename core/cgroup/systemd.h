/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd.h - the systemd cgroup driver: a container's processes in a transient scope, which
 * systemd makes, limits and removes. For the CLI, when --systemd-cgroup is given, and later for
 * whatever container has a scope in its state.
 */
#ifndef CGROUP_SYSTEMD_H
#define CGROUP_SYSTEMD_H
#include "cgroup/cgroup.h"

struct cgroup_scope {
    char *slice, *unit; /* "system.slice", "libpod-1.scope" */
};

/*
 * "SLICE:PREFIX:NAME" of config.json is PREFIX-NAME.scope in SLICE, without a slice in
 * system.slice; NULL or "" is anyvisor-ID.scope there. -EINVAL for any other form. Pure.
 */
int cgroup_scope_parse(const char *cgroups_path, const char *id, struct cgroup_scope *ret,
                       struct err *err);
void cgroup_scope_done(struct cgroup_scope *s);

/* Its directory in each hierarchy: "a-b.slice" lies in "a.slice". Pure. */
void cgroup_scope_dirs(const struct cgroup_host *h, const struct cgroup_scope *s,
                       struct strv *ret_dirs);

/* One property of the unit: a number, or the bytes of a bit mask. */
struct scope_property {
    const char *name;
    bool is_mask;
    uint64_t number;
    uint8_t mask[CGROUP_CPUS_MAX / 8];
    size_t mask_len;
};
#define SCOPE_PROPERTIES_MAX 6

/*
 * What of the bundle's limits systemd must know: it writes memory, CPU time and CPU sets of a scope
 * itself, whenever it is reloaded. memory_bytes as in cgroup_limit, which writes the same and the
 * rest into the files. v2 names differ from v1's. Pure; returns how many.
 */
int cgroup_scope_properties(const struct oci_resources *r, uint64_t memory_bytes, bool v2,
                            struct scope_property ret[SCOPE_PROPERTIES_MAX], struct err *err);

/* -ENOTSUP where no systemd runs. */
int cgroup_scope_check_host(struct err *err);

/* Start the scope with process pid in it; on return it exists. Its description tells owner, a state
 * directory: another container's scope of the same name is -EEXIST now and left alone later. */
int cgroup_scope_start(const struct cgroup_scope *s, const char *owner, pid_t pid,
                       const struct scope_property *p, size_t n, struct err *err);
int cgroup_scope_update(const char *unit, const struct scope_property *p, size_t n,
                        struct err *err);

/* Stop what is left in it and wait until it is gone; gone already or another's is fine. */
int cgroup_scope_stop(const char *unit, const char *owner, struct err *err);

#endif
