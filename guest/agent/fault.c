/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's end at a named point, as a test wants it: "anyvisor.fault=NAME" as a kernel argument,
 * or as a word after "agent --fd N". fault_none.c stands here in packages. */
#include "agent/agent.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void fault_point(const struct agent *a, const char *name)
{
    if (strcmp(a->at.fault, name) != 0)
        return;
    /* <0>: also a quiet console shows it. */
    if (a->kmsg_fd >= 0)
        dprintf(a->kmsg_fd, "<0>anyvisor-agent: fault point '%s'\n", name);
    else
        fprintf(stderr, "anyvisor-agent: fault point '%s'\n", name);
    _exit(70);
}
