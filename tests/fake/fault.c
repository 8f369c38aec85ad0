/* SPDX-License-Identifier: Apache-2.0 */
#include "fault.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "common/deadline.h"

/* Finds op in "a,op=5,c"; *value is what follows '=', else "". */
static bool listed(const char *list, const char *op, const char **value)
{
    size_t len = strlen(op);

    for (const char *p = list; p && *p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
        if (strncmp(p, op, len) != 0 || !strchr(",=", p[len]))
            continue; /* strchr also finds the end of the string */
        *value = p[len] == '=' ? p + len + 1 : "";
        return true;
    }
    return false;
}

int fault_at(const struct fault *f, const struct hvp_host *host, const char *op,
             struct hvp_error *err)
{
    const char *value;

    if (listed(f->delay, op, &value) || listed(getenv(FAULT_ENV_DELAY), op, &value)) {
        struct deadline d = deadline_start(host, (uint32_t)strtoul(value, NULL, 10));

        if (deadline_poll(&d, NULL, 0) == -ECANCELED)
            return hvp_fail(err, ECANCELED, "'%s' was cancelled", op);
    }
    if (listed(f->fail, op, &value) || listed(getenv(FAULT_ENV_FAIL), op, &value))
        return hvp_fail(err, EIO, "'%s' fails because a test wants it", op);
    return 0;
}
