/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network.h - the pod's network: its interfaces, connections to its loopback and its name server.
 * For requests.c.
 */
#ifndef AGENT_NETWORK_H
#define AGENT_NETWORK_H
#include "agent/agent.h"

/* connect.c: streams of TCP connections into the pod; the reply comes later */
int connect_begin(struct agent *a, uint32_t id, uint32_t seq, uint16_t port, struct err *err);
void connect_try_end(struct agent *a, struct process *p); /* may free it */

/* network.c. 1: done; 0: it takes *n over and will reply */
int network_set(struct agent *a, uint32_t id, uint32_t seq, struct msg_network *n, struct err *err);

/* resolver.c */
int resolver_begin(struct agent *a, uint32_t address, struct err *err);
void resolver_answer(struct agent *a, const uint8_t *answer, size_t n);

#endif
