/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig.h - a network namespace per test, made by `ip`, and what the module says of it.
 * For the tests of core/net.
 */
#ifndef RIG_H
#define RIG_H
#include <linux/virtio_net.h>
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

/* Frames of a protocol that nobody else speaks, marked with a byte. */
#define RIG_FRAME_LEN 64
/* Behind a tap's header, which stays empty. */
struct rig_frame {
    struct virtio_net_hdr head;
    uint8_t bytes[RIG_FRAME_LEN];
};
void rig_make_frame(struct rig_frame *f, uint8_t mark);
int rig_packet_socket(const char *name);
/* Mark of the frame that is there, behind a head; -1 = it is another's: programs speak on a new
 * interface, too. */
int rig_read(int fd, size_t head);
/* Mark of the next one of ours, -1 = none comes. */
int rig_receive(int fd, size_t head);

#endif
