/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/host_limits.h"
#include "cgroup/systemd.h"
#include "cli/creation/pod.h"

static int update_scope(const char *unit, const struct oci_resources *r, uint64_t memory, bool v2,
                        struct err *err)
{
    struct scope_property p[SCOPE_PROPERTIES_MAX];
    int n = cgroup_scope_properties(r, memory, v2, p, err);

    return n < 0 ? n : cgroup_scope_update(unit, p, (size_t)n, err);
}

int host_limits_write(const struct container *c, const struct oci_resources *r, struct err *err)
{
    struct cgroup_host host = {0};
    struct strv dirs = {0};
    uint64_t memory = pod_host_memory(&c->state, r);
    int e = cgroup_host_read("/proc/self/mountinfo", "/proc/self/cgroup", &host, err);

    if (e == 0 && c->state.scopes.n)
        e = update_scope(c->state.scopes.v[0], r, memory, host.mode == CGROUP_V2, err);
    if (e == 0)
        e = cgroup_dirs_of(&host, c->state.proxy.pid, &dirs, err);
    if (e == 0)
        e = cgroup_limit(&dirs, r, memory, err);
    strv_done(&dirs);
    cgroup_host_done(&host);
    return e;
}
