/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault.h - failures and delays that tests order: by the keys `fail` and `delay` of a descriptor,
 * or by the environment of core.  Called by fake.c at the beginning of each op.
 */
#ifndef FAKE_FAULT_H
#define FAKE_FAULT_H
#include <anyvisor/hvp.h>

/* Both are lists like "vm_start,agent_open" and "vm_create=200,vm_destroy=50" (milliseconds). */
struct fault {
    char *fail, *delay;
};

#define FAULT_ENV_FAIL "ANYVISOR_FAKE_FAIL"
#define FAULT_ENV_DELAY "ANYVISOR_FAKE_DELAY"

/* Wait and fail as ordered for this op; 0, -ECANCELED, or -EIO with a sentence that says so. */
int fault_at(const struct fault *f, const struct hvp_host *host, const char *op,
             struct hvp_error *err);

#endif
