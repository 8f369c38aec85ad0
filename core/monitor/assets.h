/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assets.h - kernel and initramfs where a VMM that others start may read them. For prepare.c, which
 * shows them, and boot.c, which names them to the plug-in.
 */
#ifndef MONITOR_ASSETS_H
#define MONITOR_ASSETS_H
#include "monitor/ipc.h"

struct assets {
    char *kernel, *initrd; /* as long as the monitor lives; NULL = as the request names it */
};

int assets_show(const struct ipc_sandbox *s, struct assets *ret, struct err *err);

/* In err, the operator's names of them. */
void assets_blame(const struct ipc_sandbox *s, const struct assets *a, struct err *err);

#endif
