/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library.h - libsystemd's D-Bus client, opened when a container is in a scope of systemd.
 * For systemd.c alone. A host without systemd needs no libsystemd, and other verbs do not pay for
 * loading it.
 */
#ifndef CGROUP_LIBRARY_H
#define CGROUP_LIBRARY_H
#include <systemd/sd-bus.h>
#include "base/library.h"

#define SYSTEMD_FUNCTIONS(X)                                                                       \
    X(sd_bus_open_system)                                                                          \
    X(sd_bus_flush_close_unref)                                                                    \
    X(sd_bus_match_signal)                                                                         \
    X(sd_bus_call_method)                                                                          \
    X(sd_bus_call)                                                                                 \
    X(sd_bus_process)                                                                              \
    X(sd_bus_wait)                                                                                 \
    X(sd_bus_message_new_method_call)                                                              \
    X(sd_bus_message_append)                                                                       \
    X(sd_bus_message_append_array)                                                                 \
    X(sd_bus_message_open_container)                                                               \
    X(sd_bus_message_close_container)                                                              \
    X(sd_bus_message_read)                                                                         \
    X(sd_bus_message_unref)                                                                        \
    X(sd_bus_error_free)                                                                           \
    X(sd_bus_get_property_string)

struct systemd_library {
    SYSTEMD_FUNCTIONS(LIBRARY_MEMBER)
};

/* Opened once and kept; -ENOENT where libsystemd is not installed or too old. */
int systemd_library_get(const struct systemd_library **ret, struct err *err);

#endif
