/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish.h - events to containerd, in order, each sent again until it is acknowledged.
 * For task.c, service.c and monitor_link.c.
 */
#ifndef SHIM_PUBLISH_H
#define SHIM_PUBLISH_H
#include "shim/shim.h"

/* path: containerd's ttrpc socket; NULL: nobody listens, events are dropped. */
struct publisher *publish_open(struct loop *loop, const char *ns, const char *path);
void publish(struct publisher *p, const char *topic, const char *type, const ProtobufCMessage *m);
bool publish_idle(const struct publisher *p);

#endif
