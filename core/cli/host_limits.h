/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_limits.h - the limits that the host holds around a running container, changed. For update,
 * and for a VM that grows.
 */
#ifndef CLI_HOST_LIMITS_H
#define CLI_HOST_LIMITS_H
#include "cli/cli.h"
#include "oci/oci.h"

/* What the bundle limits exactly, and memory by the size that c's state has for the VM. */
int host_limits_write(const struct container *c, const struct oci_resources *r, struct err *err);

#endif
