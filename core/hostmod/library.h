/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library.h - libkmod, opened when a module must really be looked up or loaded.
 * For hostmod.c alone. Linked in the ordinary way it would cost each verb two milliseconds: it
 * brings libcrypto, whose relocations take longer than all that 'state' does.
 */
#ifndef HOSTMOD_LIBRARY_H
#define HOSTMOD_LIBRARY_H
#include <libkmod.h>
#include "base/library.h"

#define KMOD_FUNCTIONS(X)                                                                          \
    X(kmod_new)                                                                                    \
    X(kmod_unref)                                                                                  \
    X(kmod_set_log_fn)                                                                             \
    X(kmod_module_unref)                                                                           \
    X(kmod_module_unref_list)                                                                      \
    X(kmod_module_new_from_lookup)                                                                 \
    X(kmod_module_new_from_name)                                                                   \
    X(kmod_module_get_name)                                                                        \
    X(kmod_module_get_path)                                                                        \
    X(kmod_module_get_initstate)                                                                   \
    X(kmod_module_apply_filter)                                                                    \
    X(kmod_module_probe_insert_module)

struct kmod_library {
    KMOD_FUNCTIONS(LIBRARY_MEMBER)
};

/* Opened once and kept; -ENOENT where libkmod is not installed or too old. */
int kmod_library_get(const struct kmod_library **ret, struct err *err);

#endif
