/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain.h - the part of `explain` that decides anything itself: --class.
 * For the verb and its unit test.
 */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H
#include "base/err.h"
#include "config/config.h"

/*
 * Change the configuration so that every workload matches class `name` and no other ("default": no
 * class at all). -ENOENT with the nearest name.
 */
int explain_force_class(struct config *c, const char *name, struct err *err);

#endif
