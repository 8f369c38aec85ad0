/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlink.h - rtnetlink: build a request, wait for its answer, walk a dump.
 * For core/net and, compiled into it, the guest's agent: libc only, nothing is allocated but a
 * dump's buffer.
 */
#ifndef BASE_NETLINK_H
#define BASE_NETLINK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/netlink.h>
#include "base/err.h"

#define NETLINK_MSG_MAX 2048

struct netlink {
    int fd;
    uint32_t seq;
};

/* In the network namespace of the caller, in which it stays. */
int netlink_open(struct netlink *ret, struct err *err);

struct netlink_msg {
    union {
        struct nlmsghdr head;
        uint8_t bytes[NETLINK_MSG_MAX];
    };
    bool full; /* something did not fit: sending it is -EMSGSIZE */
};

/* A request of a type with the flags (NLM_F_REQUEST comes by itself); returns its family's header,
 * zeroed. */
void *netlink_begin(struct netlink_msg *m, uint16_t type, uint16_t flags, size_t header);
void netlink_put(struct netlink_msg *m, uint16_t type, const void *data, size_t len);
void netlink_put_u32(struct netlink_msg *m, uint16_t type, uint32_t value);
void netlink_put_str(struct netlink_msg *m, uint16_t type, const char *text);
/* Attributes put between begin and end belong to the nest. begin returns a mark. */
size_t netlink_nest(struct netlink_msg *m, uint16_t type);
void netlink_nest_end(struct netlink_msg *m, size_t mark);

/* Send and wait for the kernel's word: -errno with its sentence, if it has one. */
int netlink_ask(struct netlink *nl, struct netlink_msg *m, struct err *err);

/* each is called for every message of the answer: 0, or -errno and the walk ends with it. When the
 * table changed meanwhile, again(ctx) is called and the walk starts over. */
struct netlink_walk {
    int (*each)(void *ctx, const struct nlmsghdr *h);
    void (*again)(void *ctx);
    void *ctx;
};
int netlink_dump(struct netlink *nl, struct netlink_msg *m, const struct netlink_walk *walk,
                 struct err *err);

/* Attributes behind a family's header of that size: table[type], NULL where there is none. */
void netlink_parse(const struct nlmsghdr *h, size_t header, const struct nlattr **table, size_t n);
void netlink_parse_nest(const struct nlattr *nest, const struct nlattr **table, size_t n);
const void *netlink_data(const struct nlattr *a);
size_t netlink_len(const struct nlattr *a);
uint32_t netlink_u32(const struct nlattr *a, uint32_t otherwise); /* also when it is too short */
/* Text of an attribute in a buffer; "" where there is none. */
void netlink_str(const struct nlattr *a, char *buf, size_t size);

#endif
