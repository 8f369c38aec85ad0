/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nics.h - NICs in the plug-in's form, on taps that the CLI has made or interfaces of the VMM's.
 * For boot.c (those that are there from the start) and network.c (the others, and their links).
 */
#ifndef MONITOR_NICS_H
#define MONITOR_NICS_H
#include <anyvisor/hvp.h>
#include "monitor/ipc.h"

/* Whether they are on core's taps, not on interfaces that the VMM makes. */
bool nics_on_taps(const struct hvp_caps *caps);

/* Whether their carrier can be switched. */
bool nics_have_links(const struct hvp_caps *caps);

/* Borrows from n; fds: its taps, NULL for one that is there already or has an interface. */
void nic_device_init(struct hvp_nic *ret, const struct ipc_nic *n, const int *fds);

#endif
