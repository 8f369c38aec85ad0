/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the host does not reach into the guest: who gives it to a container learns it from the
 * log and not from something that fails later.
 */
#include <errno.h>
#include <stdlib.h>
#include "base/log.h"
#include "cli/lifecycle.h"

#define PRESERVED_MAX 65536

int not_carried_descriptors(const char *preserve_fds, struct err *err)
{
    const char *notify = getenv("NOTIFY_SOCKET");
    uint64_t n = 0;

    if (preserve_fds && str_to_u64(preserve_fds, 0, PRESERVED_MAX, &n) < 0)
        return err_set(err, EINVAL, "--preserve-fds '%s': expected a number", preserve_fds);
    if (n > 0)
        log_warn("--preserve-fds %s: descriptors cannot be carried into a VM, ignoring",
                 preserve_fds);
    if (notify && *notify)
        log_warn("NOTIFY_SOCKET: the notification socket is not carried into a VM, ignoring");
    return 0;
}
