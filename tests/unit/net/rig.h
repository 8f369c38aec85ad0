/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig.h - a network namespace per test, made by `ip`, and what the module says of it.
 * For the tests of core/net.
 */
#ifndef RIG_H
#define RIG_H
#include "net/net.h"
#include "test.h"

#define OWN_NS "/proc/self/ns/net"

/* The test goes on in a new namespace with veth eth0 <-> peer, both up; skips without the right. */
void rig_begin(struct net_ns *ret);
void rig_end(struct net_ns *ns);
void rig_run(const char *command); /* by a shell; must succeed */
int rig_try(const char *command);  /* its exit status */
void rig_scan(struct net_ns *ns, struct net_scan *ret);
const struct net_nic *rig_nic(const struct net_scan *s, const char *name); /* NULL = none */

#endif
