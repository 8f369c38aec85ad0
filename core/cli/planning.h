/* SPDX-License-Identifier: Apache-2.0 */
/*
 * planning.h - what core/plan asks of the host, answered. For create, exec and update.
 */
#ifndef CLI_PLANNING_H
#define CLI_PLANNING_H
#include "plan/build.h"

/* id and arch are borrowed. vcpus 0: unknown. */
void planning_input(const char *id, const char *arch, uint32_t vcpus, struct plan_input *ret);

#endif
