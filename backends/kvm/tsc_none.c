/* SPDX-License-Identifier: Apache-2.0 */
#include "tsc.h"

uint64_t tsc_khz(void)
{
    return 0;
}

bool tsc_is_reliable(void)
{
    return false;
}
