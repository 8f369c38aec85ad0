/* SPDX-License-Identifier: Apache-2.0 */
/*
 * planning.h - what core/plan asks of the host, answered. For create, exec and update.
 */
#ifndef CLI_PLANNING_H
#define CLI_PLANNING_H
#include "config/config.h"
#include "plan/build.h"

/* A tmpfs on /tmp and /var/tmp where the class wants one and the bundle mounts nothing there. */
void planning_tmp(const struct config_sized *tmp, uint64_t vm_memory, struct oci_spec *spec);

/* id and arch are borrowed. vcpus 0: unknown. */
void planning_input(const char *id, const char *arch, uint32_t vcpus, struct plan_input *ret);

#endif
