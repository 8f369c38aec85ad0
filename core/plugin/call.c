/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include "plugin/internal.h"

static pthread_mutex_t *lock_of(struct plugin *p, struct plugin_vm *vm)
{
    switch (p->so->ops.thread_model) {
    case HVP_THREADS_PARALLEL:
        return NULL;
    case HVP_THREADS_PER_VM:
        return vm ? &vm->lock : &p->lock;
    default:
        return &p->so->lock;
    }
}

void plugin_enter(struct plugin *p, struct plugin_vm *vm)
{
    pthread_mutex_t *lock = lock_of(p, vm);

    if (lock)
        pthread_mutex_lock(lock);
}

void plugin_leave(struct plugin *p, struct plugin_vm *vm)
{
    pthread_mutex_t *lock = lock_of(p, vm);

    if (lock)
        pthread_mutex_unlock(lock);
}

/* A sentence may quote what a guest or a VMM wrote: no control bytes into logs and terminals. */
void plugin_tidy(char *msg, size_t size)
{
    msg[size - 1] = '\0';
    for (unsigned char *c = (unsigned char *)msg; *c; c++)
        if (*c < ' ' || *c == 0x7f)
            *c = ' ';
}

int plugin_answer(const struct plugin *p, enum err_phase phase, const char *op, int r,
                  struct hvp_error *said, struct err *err)
{
    if (r == 0)
        return 0;
    if (r > 0 || r < -4095)
        return err_set_phase(err, PHASE_PLUGIN, EPROTO,
                             "back-end '%s': %s returned %d, which is neither 0 nor -errno",
                             p->d->name, op, r);
    plugin_tidy(said->msg, sizeof(said->msg));
    if (!said->msg[0])
        return err_set_phase(err, phase, -r, "back-end '%s': %s: %m", p->d->name, op);
    return err_set_phase(err, phase, -r, "back-end '%s': %s", p->d->name, said->msg);
}

int plugin_can(const struct plugin *p, const char *op, bool exists, uint64_t bits, struct err *err)
{
    if (!exists)
        return err_set_phase(err, PHASE_PLUGIN, ENOTSUP, "back-end '%s' cannot do '%s'", p->d->name,
                             op);
    if (p->probed && (p->caps.flags & bits) != bits)
        return err_set_phase(err, PHASE_PLUGIN, ENOTSUP,
                             "back-end '%s' cannot do '%s' on this host", p->d->name, op);
    return 0;
}
