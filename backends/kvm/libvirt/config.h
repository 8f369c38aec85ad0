/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - the keys of a descriptor's `config` as this back-end reads them: its own, and those of
 * the kvm back-end that mean the same here. Filled by the config op, read by probe and vm_create.
 */
#ifndef LV_CONFIG_H
#define LV_CONFIG_H
#include "kvm/config.h"

struct lv_config {
    struct kvm_config kvm; /* qemu, accel, cpu, firmware, hotplug_ports */
    char *uri;             /* NULL = qemu:///system */
    char *sockets;         /* folder of the daemon's sockets; NULL = where libvirt looks itself */
    char *partition;       /* libvirt's cgroups are below it; NULL = QEMU is in the sandbox's */
};

extern const char lv_config_help[];
void lv_config_init(struct lv_config *c);
int lv_config_set(struct lv_config *c, const char *arch, const char *key, const char *value,
                  struct hvp_error *err);
void lv_config_done(struct lv_config *c);

/* What to connect to: the URI, with the socket that is in the folder `sockets`. */
int lv_config_uri(const struct lv_config *c, char *buf, size_t len, struct hvp_error *err);

#endif
