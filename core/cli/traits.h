/* SPDX-License-Identifier: Apache-2.0 */
/*
 * traits.h - a back-end's capabilities as names for schedulers: CUSTOM_ANYVISOR_ARCH_S390X.
 * For `backends --format json`.
 */
#ifndef CLI_TRAITS_H
#define CLI_TRAITS_H
#include "config/descriptor.h"
#include "plugin/plugin.h"

/* Add what is not there yet. */
void traits_add(const struct descriptor *d, const struct hvp_caps *c, struct strv *to);

#endif
