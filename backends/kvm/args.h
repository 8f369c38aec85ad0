/* SPDX-License-Identifier: Apache-2.0 */
/*
 * args.h - a growing argument vector for the VMM's command line.
 * A failed allocation is remembered and reported once, by args_failed().
 */
#ifndef KVM_ARGS_H
#define KVM_ARGS_H
#include <stdbool.h>
#include <stddef.h>

struct args {
    char **v; /* NULL-terminated once there is one */
    size_t n, cap;
    bool failed;
};

void args_add(struct args *a, const char *word);
__attribute__((format(printf, 2, 3))) void args_addf(struct args *a, const char *fmt, ...);
/* text with every comma doubled, as QEMU's option parser wants it; NULL without memory. */
char *args_escape(const char *text);
bool args_failed(const struct args *a);
void args_done(struct args *a);

#endif
