/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.h - the smallest host that a plug-in can live with: log to stderr, spawn by fork.
 * For disk_open.c, which drives a back-end through hvp.h without anything of core.
 */
#ifndef BACKEND_HOST_H
#define BACKEND_HOST_H
#include <anyvisor/hvp.h>

extern const struct hvp_host test_host;

#endif
