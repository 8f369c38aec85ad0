/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first container's cgroup, process and usual mounts, before there is one: an eighth of the
 * instructions that a clone of a template executes until its program runs are for cgroup and device
 * filter. Clones find them made, and so does the next container of a VM whose containers have gone
 * when SETUP comes again.
 */
#include "agent/container/container.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"

void spare_make(struct agent *a)
{
    struct container *c = a->spare || a->cgroup_fd < 0 ? NULL : calloc(1, sizeof(*c));

    if (!c)
        return;
    c->cgroup_fd = c->devfilter_fd = c->watch_memory = c->watch_events = c->ipc_fd = -1;
    a->spare = c;
    if (cgroup_make(a, c, NULL) < 0)
        return;
    devfilter_prepare(c);
    usual_make(a, false);
    sparechild_make(a, c);
}

void spare_drop(struct agent *a)
{
    struct container *spare = steal_ptr(&a->spare);

    sparechild_drop(a);
    if (!spare)
        return;
    (void)cgroup_remove(a, spare);
    close_fd(&spare->devfilter_fd);
    usual_drop(a);
    close_fd(&spare->ipc_fd);
    free(spare);
}

bool spare_take(struct agent *a, struct container *c)
{
    cleanup_free struct container *spare = steal_ptr(&a->spare);

    if (!spare || spare->cgroup_fd < 0)
        return false;
    snprintf(c->cgroup_name, sizeof(c->cgroup_name), "%s", spare->cgroup_name);
    c->cgroup_fd = spare->cgroup_fd;
    c->devfilter_fd = spare->devfilter_fd;
    c->devfilter_plain = spare->devfilter_plain;
    c->watch_memory = spare->watch_memory;
    c->watch_events = spare->watch_events;
    c->usual = true;
    c->ipc_fd = spare->ipc_fd;
    return true;
}
