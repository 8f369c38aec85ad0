/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for fault.c when the agent is built without fault points. */
#include "agent/agent.h"

void fault_point(const struct agent *a, const char *name)
{
    (void)a;
    (void)name;
}
