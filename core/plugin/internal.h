/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of core/plugin share: the loaded .so, the instance, the VM handle.
 * Nobody else includes it.
 */
#ifndef PLUGIN_INTERNAL_H
#define PLUGIN_INTERNAL_H
#include <pthread.h>
#include "plugin/plugin.h"

/* One loaded .so, shared by its instances; never freed, for it is never unloaded. */
struct plugin_so {
    struct plugin_so *next;
    void *handle;          /* of dlopen; the same for every path to one file */
    struct hvp_plugin ops; /* what both sides know, the rest zero */
    pthread_mutex_t lock;  /* HVP_THREADS_SERIAL */
};

struct plugin {
    struct plugin_so *so;
    const struct descriptor *d;
    struct hvp_host host;
    char *arch;
    void *inst;
    bool probed;
    struct hvp_caps caps;
    pthread_mutex_t lock; /* HVP_THREADS_PER_VM: ops of the instance */
};

struct plugin_vm {
    struct plugin *p;
    void *vm;
    pthread_mutex_t lock; /* HVP_THREADS_PER_VM: ops of the VM */
};

/* check.c: regular file, root's or ours, writable by nobody else, in such a directory. */
int plugin_file_check(const char *what, const char *path, struct err *err);

/* vm.c: what plugin_words_isolated asks, in its child. */
int plugin_vm_words(struct plugin *p, const struct hvp_vm_spec *spec, struct err *err);

/* so.c */
int plugin_so_get(const char *path, struct plugin_so **ret, struct err *err);

/* caps.c: the answer of probe against the ops that exist and against itself. */
int plugin_caps_check(const struct plugin *p, const struct hvp_caps *caps, struct err *err);

/* spec.c: can a back-end with these caps hot-plug that device? */
int plugin_device_check(const struct hvp_caps *caps, const struct hvp_device *d, struct err *err);

/* call.c: take and release the lock that the thread model asks for; vm NULL = op of the instance.
 */
void plugin_enter(struct plugin *p, struct plugin_vm *vm);
void plugin_leave(struct plugin *p, struct plugin_vm *vm);

/* call.c: what an op returned and said -> 0 or -errno with a sentence. */
void plugin_tidy(char *msg, size_t size); /* terminate, and blank control bytes */
int plugin_answer(const struct plugin *p, enum err_phase phase, const char *op, int r,
                  struct hvp_error *said, struct err *err);

/* call.c: -ENOTSUP with a sentence unless the op exists and the caps (once known) have all bits. */
int plugin_can(const struct plugin *p, const char *op, bool exists, uint64_t bits, struct err *err);

#define HVP_ERROR_EMPTY                                                                            \
    {                                                                                              \
        sizeof(struct hvp_error), 0, ""                                                            \
    }

/*
 * Call op of instance p, on its VM v (NULL for an op of the instance): locked, answered. The
 * arguments are those of the op without the error.
 */
#define PLUGIN_CALL(p_, v_, phase_, err_, op_, ...)                                                \
    ({                                                                                             \
        struct hvp_error said_ = HVP_ERROR_EMPTY;                                                  \
        int r_;                                                                                    \
                                                                                                   \
        plugin_enter(p_, v_);                                                                      \
        r_ = (p_)->so->ops.op_(__VA_ARGS__, &said_);                                               \
        plugin_leave(p_, v_);                                                                      \
        plugin_answer(p_, phase_, #op_, r_, &said_, err_);                                         \
    })

#endif
