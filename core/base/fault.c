/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fault_point(const char *name)
{
    const char *wanted = getenv("ANYVISOR_FAULT");
    size_t len = strlen(name);

    if (!wanted || strncmp(wanted, name, len) != 0)
        return 0;
    if (wanted[len] == '\0')
        kill(getpid(), SIGKILL);
    return strcmp(wanted + len, ":fail") == 0 ? -EIO : 0;
}
