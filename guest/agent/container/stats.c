/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of a container's cgroup. What a file does not say stays PLAN_UNSET. */
#include "agent/container/container.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* io.stat: "8:0 rbytes=1 wbytes=2 rios=3 wios=4 ..." per device. */
static void io(int dir, struct msg_stats *m)
{
    char buf[8192], *save = NULL;

    if (cgroup_read(dir, "io.stat", buf, sizeof(buf)) < 0)
        return;
    m->io_read_bytes = m->io_write_bytes = m->io_reads = m->io_writes = 0;
    for (char *w = strtok_r(buf, " \n", &save); w; w = strtok_r(NULL, " \n", &save)) {
        char *eq = strchr(w, '=');
        uint64_t v = eq ? strtoull(eq + 1, NULL, 10) : 0;

        if (strncmp(w, "rbytes=", 7) == 0)
            m->io_read_bytes += v;
        else if (strncmp(w, "wbytes=", 7) == 0)
            m->io_write_bytes += v;
        else if (strncmp(w, "rios=", 5) == 0)
            m->io_reads += v;
        else if (strncmp(w, "wios=", 5) == 0)
            m->io_writes += v;
    }
}

void stats_gather(const struct container *c, struct msg_stats *m)
{
    int d = c->cgroup_fd;

    memset(m, 0xff, sizeof(*m)); /* all PLAN_UNSET */
    if (d < 0)
        return;
    m->cpu_usage_us = cgroup_key(d, "cpu.stat", "usage_usec");
    m->cpu_user_us = cgroup_key(d, "cpu.stat", "user_usec");
    m->cpu_system_us = cgroup_key(d, "cpu.stat", "system_usec");
    m->cpu_periods = cgroup_key(d, "cpu.stat", "nr_periods");
    m->cpu_throttled = cgroup_key(d, "cpu.stat", "nr_throttled");
    m->cpu_throttled_us = cgroup_key(d, "cpu.stat", "throttled_usec");
    m->mem_usage = cgroup_number(d, "memory.current");
    m->mem_peak = cgroup_number(d, "memory.peak");
    m->mem_limit = cgroup_number(d, "memory.max");
    m->mem_anon = cgroup_key(d, "memory.stat", "anon");
    m->mem_file = cgroup_key(d, "memory.stat", "file");
    m->mem_kernel = cgroup_key(d, "memory.stat", "kernel");
    m->mem_inactive_file = cgroup_key(d, "memory.stat", "inactive_file");
    m->mem_pgfault = cgroup_key(d, "memory.stat", "pgfault");
    m->mem_pgmajfault = cgroup_key(d, "memory.stat", "pgmajfault");
    m->mem_oom_kills = cgroup_key(d, "memory.events", "oom_kill");
    m->swap_usage = cgroup_number(d, "memory.swap.current");
    m->swap_limit = cgroup_number(d, "memory.swap.max");
    m->pids = cgroup_number(d, "pids.current");
    m->pids_limit = cgroup_number(d, "pids.max");
    io(d, m);
}
