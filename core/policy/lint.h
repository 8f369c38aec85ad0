/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint.h - what is wrong with a configuration that parses: rules that cannot count, bounds that
 * bound nothing. For `anyvisor config check`; pure, without I/O.
 */
#ifndef POLICY_LINT_H
#define POLICY_LINT_H
#include "config/config.h"

/* Mistakes into problems, what an operator should know into notes; "FILE:LINE:COL: sentence". */
void policy_lint(const struct config *config, struct strv *problems, struct strv *notes);

/* Every workload that `inner` matches is matched by `outer`, too; false where that is not plain. */
bool policy_covers(const struct config_match *outer, const struct config_match *inner);

/* No workload at all can match; false where that is not plain. */
bool policy_contradicts(const struct config_match *m);

#endif
