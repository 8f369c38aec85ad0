/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nova_conf.h - what nova-compute's configuration says of this node's CPUs, memory and libvirt, as
 * far as containers meet it. For `check --openstack`.
 */
#ifndef CLI_NOVA_CONF_H
#define CLI_NOVA_CONF_H
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"

#define NOVA_RESERVED_DEFAULT 512 /* MiB, nova's own */

struct nova_conf {
    bool has_shared, has_dedicated;
    cpu_set_t shared, dedicated; /* for instances without and with CPUs of their own */
    uint64_t reserved_mib;       /* of the host's memory, for all that is no instance */
    char *uri; /* of the libvirt that nova takes for its own; NULL = another driver */
};

/* The texts of the files in their order, a later one wins; file names them in errors. */
int nova_conf_parse(const char *const *texts, const char *const *files, size_t n,
                    struct nova_conf *ret, struct err *err);
void nova_conf_done(struct nova_conf *c);

/* Both reach the same daemon of this host, as far as their texts tell. */
bool nova_same_libvirt(const char *a, const char *b);

/* "0-3,7"; malloc'ed. */
char *nova_cpus_text(const cpu_set_t *set);

#endif
