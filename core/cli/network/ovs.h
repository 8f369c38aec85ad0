/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ovs.h - ports of Open vSwitch, which keeps them in a database of its own that only its own
 * program speaks to. For network.c.
 */
#ifndef CLI_OVS_H
#define CLI_OVS_H
#include <stdint.h>
#include "base/err.h"

/* tap becomes a port, with what Neutron's agent goes by; port "" = it has no id. */
int ovs_add_port(const char *bridge, const char *tap, const uint8_t mac[6], const char *port,
                 struct err *err);
/* All that a VM could have; those that are not there are nobody's error. */
int ovs_remove_ports(const char *owner, struct err *err);

#endif
