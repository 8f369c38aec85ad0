/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvirt's calls return when the daemon has answered, however long that takes. Each runs in a
 * thread that can be left behind: then it owns what it works with and cleans up after itself.
 */
#include <errno.h>
#include <libvirt/virterror.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "blame.h"
#include "common/util.h"
#include "lv.h"

int lv_fail(struct hvp_error *err, const char *what)
{
    const virError *e = virGetLastError();
    int code = EREMOTEIO;

    if (!e)
        return hvp_fail(err, EIO, "%s: libvirt gave no reason", what);
    if (e->code == VIR_ERR_NO_DOMAIN)
        code = ENOENT;
    /* A missing socket is not a missing domain: that one's process may well run. */
    else if (e->code == VIR_ERR_NO_CONNECT || e->code == VIR_ERR_SYSTEM_ERROR)
        code = e->int1 > 0 && e->int1 != ENOENT ? e->int1 : ENOTCONN;
    else if (e->code == VIR_ERR_OPERATION_INVALID)
        code = EINVAL;
    return hvp_fail(err, code, "%s: %.400s", what, e->message ? e->message : "no reason given");
}

struct lv_call *lv_call_new(struct lv_vm *vm, int (*fn)(struct lv_call *c), struct hvp_error *err)
{
    struct lv_call *c = calloc(1, sizeof(*c));

    if (!c) {
        hvp_fail(err, ENOMEM, "out of memory for a call of libvirt");
        return NULL;
    }
    pthread_mutex_init(&c->lock, NULL);
    c->fn = fn;
    c->refs = 1;
    c->err.struct_size = sizeof(c->err);
    c->done_fd = eventfd(0, EFD_CLOEXEC);
    if (c->done_fd < 0) {
        hvp_fail(err, errno, "eventfd: %m");
        lv_call_free(c);
        return NULL;
    }
    if (vm && vm->dom) {
        virDomainRef(vm->dom);
        c->dom = vm->dom;
    }
    return c;
}

int lv_call_domain(struct lv_vm *vm, int (*fn)(struct lv_call *c), const char *text,
                   const struct deadline *d, const char *what, struct hvp_error *err)
{
    struct lv_call *c = lv_call_new(NULL, fn, err);
    int r;

    if (!c)
        return err->code;
    virConnectRef(vm->inst->conn);
    c->conn = vm->inst->conn;
    memcpy(c->uuid, vm->uuid, sizeof(c->uuid));
    c->text = strdup(text);
    r = c->text ? lv_call_run(c, d, what, err) : hvp_fail(err, ENOMEM, "%s: out of memory", what);
    if (r == 0)
        vm->dom = steal_ptr(&c->ret_dom);
    lv_call_free(c);
    return r;
}

void lv_call_free(struct lv_call *c)
{
    unsigned refs;

    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    refs = --c->refs;
    pthread_mutex_unlock(&c->lock);
    if (refs > 0)
        return;
    if (c->stream)
        virStreamFree(c->stream);
    if (c->ret_dom)
        virDomainFree(c->ret_dom);
    if (c->dom)
        virDomainFree(c->dom);
    if (c->ret_conn)
        virConnectClose(c->ret_conn);
    if (c->conn)
        virConnectClose(c->conn);
    if (c->done_fd >= 0)
        close(c->done_fd);
    free(c->text);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* QEMU's reason stands behind a long option in libvirt's message; a domain's disks are in text. */
static void fail(struct lv_call *c)
{
    const char *said = virGetLastErrorMessage();
    char line[400];

    lv_fail(&c->err, "libvirt");
    if (said && c->text && blame_disk(said, c->text, line, sizeof(line)))
        hvp_fail(&c->err, -c->err.code, "%s", line);
}

static void *thread(void *arg)
{
    struct lv_call *c = arg;
    uint64_t one = 1;
    bool given_up;
    int r = c->fn(c);

    if (r < 0)
        fail(c);
    pthread_mutex_lock(&c->lock);
    c->result = r;
    c->done = true;
    given_up = c->given_up;
    if (!given_up) {
        c->refs--; /* from the unlock on it is the waiter's alone */
        (void)!write(c->done_fd, &one, sizeof(one));
    }
    pthread_mutex_unlock(&c->lock);
    if (given_up && c->ret_dom)
        (void)virDomainDestroy(c->ret_dom);
    if (given_up)
        lv_call_free(c);
    return NULL;
}

/* Signals are for others, but for the one that core's filter sends to who breaks its rules. */
int lv_thread(void *(*run)(void *), void *arg, pthread_t *ret_id)
{
    pthread_attr_t attr;
    sigset_t all, old;
    pthread_t id;
    int r;

    sigfillset(&all);
    sigdelset(&all, SIGSYS);
    pthread_attr_init(&attr);
    if (!ret_id)
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r = pthread_create(&id, &attr, run, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (r == 0 && ret_id)
        *ret_id = id;
    return r;
}

static int start(struct lv_call *c)
{
    int r;

    c->refs++;
    r = lv_thread(thread, c, NULL);
    if (r)
        c->refs--;
    return r;
}

int lv_call_run(struct lv_call *c, const struct deadline *d, const char *what,
                struct hvp_error *err)
{
    struct pollfd p = {.fd = c->done_fd, .events = POLLIN};
    int r = start(c);

    if (r)
        return hvp_fail(err, r, "%s: start a thread: %s", what, strerror(r));
    r = deadline_poll(d, &p, 1);
    pthread_mutex_lock(&c->lock);
    c->given_up = !c->done;
    if (c->given_up)
        util_close_ptr(&c->done_fd);
    c->done_fd = c->given_up ? -1 : c->done_fd;
    pthread_mutex_unlock(&c->lock);
    if (c->given_up)
        return hvp_fail(err, -r, "%s: %s", what,
                        r == -ECANCELED ? "given up" : "libvirt has not answered in time");
    if (c->result < 0) {
        const char *why = strncmp(c->err.msg, "libvirt: ", 9) == 0 ? c->err.msg + 9 : c->err.msg;

        return hvp_fail(err, -c->err.code, "%s: %.400s", what, why);
    }
    return 0;
}
