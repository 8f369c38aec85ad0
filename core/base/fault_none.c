/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"

int fault_point(const char *name)
{
    (void)name;
    return 0;
}
