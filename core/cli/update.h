/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update.h - update's command line as linux.resources. For update.c and its test.
 */
#ifndef CLI_UPDATE_H
#define CLI_UPDATE_H
#include "base/err.h"
#include "oci/oci.h"

struct update_options {
    const char *resources, *memory, *reservation, *swap, *cpu_period, *cpu_quota, *cpu_shares,
        *cpus, *mems, *blkio_weight, *pids;
};

/* From the file if there is one, else from the single options. Freed with oci_resources_free. */
int update_resources(const struct update_options *o, struct oci_resources **ret, struct err *err);

#endif
