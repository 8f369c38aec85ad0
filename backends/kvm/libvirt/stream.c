/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte streams of a domain: the agent's sockets, which are in the VM's run_dir, and the console,
 * which comes over the connection to libvirt. Its bytes go between a stream of libvirt and one end
 * of a socket pair, in libvirt's event thread; all that is shared is shared within that thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/file.h"
#include "common/util.h"
#include "lv.h"

#define CHUNK 4096

struct chunk {
    char bytes[CHUNK];
    size_t from, to; /* what is not yet written */
};

struct console {
    virStreamPtr stream;
    int fd, watch;
    struct chunk in, out; /* from the guest, to the guest */
    bool ended;
};

int lv_agent_open(void *p, uint32_t port, uint32_t timeout_ms, int *fd, struct hvp_error *err)
{
    struct lv_vm *vm = p;
    char path[HVP_RUN_DIR_MAX + 64];

    (void)timeout_ms; /* QEMU's backlog takes the connection at once */
    if (port >= vm->n_channels)
        return hvp_fail(err, EINVAL, "the VM has %u channels, there is no port %u", vm->n_channels,
                        port);
    if (!vm->run_dir)
        return hvp_fail(err, ENOENT, "where the sockets of this VM are is not known");
    snprintf(path, sizeof(path), "%s/agent%u.sock", vm->run_dir, port);
    return file_connect(path, fd, err);
}

static void end(struct console *c)
{
    if (c->ended)
        return;
    c->ended = true;
    virStreamEventRemoveCallback(c->stream);
    virStreamAbort(c->stream);
    virStreamFree(c->stream);
    virEventRemoveHandle(c->watch); /* frees c when its last callback is through */
}

static void free_console(void *p)
{
    struct console *c = p;

    close(c->fd);
    free(c);
}

static bool is_empty(const struct chunk *k)
{
    return k->from == k->to;
}

/* Each side is watched for what the other can take. */
static void rearm(struct console *c)
{
    int stream = VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP, fd = VIR_EVENT_HANDLE_ERROR;

    if (c->ended)
        return;
    stream |= is_empty(&c->in) ? VIR_STREAM_EVENT_READABLE : 0;
    stream |= is_empty(&c->out) ? 0 : VIR_STREAM_EVENT_WRITABLE;
    fd |= is_empty(&c->out) ? VIR_EVENT_HANDLE_READABLE | VIR_EVENT_HANDLE_HANGUP : 0;
    fd |= is_empty(&c->in) ? 0 : VIR_EVENT_HANDLE_WRITABLE;
    virStreamEventUpdateCallback(c->stream, stream);
    virEventUpdateHandle(c->watch, fd);
}

static void from_stream(struct console *c)
{
    int n = virStreamRecv(c->stream, c->in.bytes, CHUNK);

    if (n > 0) {
        c->in.from = 0;
        c->in.to = (size_t)n;
    } else if (n != -2) { /* -2: nothing now */
        end(c);
    }
}

static void to_stream(struct console *c)
{
    int n = virStreamSend(c->stream, c->out.bytes + c->out.from, c->out.to - c->out.from);

    if (n >= 0)
        c->out.from += (size_t)n;
    else if (n != -2)
        end(c);
}

static void from_fd(struct console *c)
{
    ssize_t n = recv(c->fd, c->out.bytes, CHUNK, MSG_DONTWAIT);

    if (n > 0) {
        c->out.from = 0;
        c->out.to = (size_t)n;
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        end(c);
    }
}

static void to_fd(struct console *c)
{
    ssize_t n =
        send(c->fd, c->in.bytes + c->in.from, c->in.to - c->in.from, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n >= 0)
        c->in.from += (size_t)n;
    else if (errno != EAGAIN && errno != EINTR)
        end(c);
}

static void on_stream(virStreamPtr stream, int events, void *opaque)
{
    struct console *c = opaque;

    (void)stream;
    if (!c->ended && events & VIR_STREAM_EVENT_READABLE && is_empty(&c->in))
        from_stream(c);
    if (!c->ended && events & VIR_STREAM_EVENT_WRITABLE && !is_empty(&c->out))
        to_stream(c);
    if (!c->ended && events & (VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP))
        end(c);
    rearm(c);
}

static void on_fd(int watch, int fd, int events, void *opaque)
{
    struct console *c = opaque;

    (void)watch;
    (void)fd;
    if (!c->ended && events & VIR_EVENT_HANDLE_WRITABLE && !is_empty(&c->in))
        to_fd(c);
    if (!c->ended && events & VIR_EVENT_HANDLE_READABLE && is_empty(&c->out))
        from_fd(c);
    else if (!c->ended && events & (VIR_EVENT_HANDLE_ERROR | VIR_EVENT_HANDLE_HANGUP))
        end(c);
    rearm(c);
}

static int open_console(struct lv_call *c)
{
    c->stream = virStreamNew(virDomainGetConnect(c->dom), VIR_STREAM_NONBLOCK);
    return c->stream ? virDomainOpenConsole(c->dom, NULL, c->stream, 0) : -1;
}

/* Takes stream and fd over. From the first event on c belongs to libvirt's thread. */
static int pump(virStreamPtr stream, int fd, struct hvp_error *err)
{
    struct console *c = calloc(1, sizeof(*c));

    if (c) {
        c->stream = stream;
        c->fd = fd;
        /* Nothing is watched before both callbacks are there. */
        c->watch = virEventAddHandle(fd, 0, on_fd, c, free_console);
        if (c->watch >= 0 &&
            virStreamEventAddCallback(stream, VIR_STREAM_EVENT_ERROR, on_stream, c, NULL) == 0) {
            rearm(c);
            return 0;
        }
        if (c->watch >= 0) {
            virEventRemoveHandle(c->watch);
            fd = -1;
            c = NULL;
        }
    }
    free(c);
    util_close_ptr(&fd);
    virStreamAbort(stream);
    virStreamFree(stream);
    return hvp_fail(err, ENOMEM, "watch the console's stream");
}

int lv_console_open(void *p, uint32_t timeout_ms, int *fd, struct hvp_error *err)
{
    struct lv_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    struct lv_call *c;
    int ends[2], r;

    if (lv_attach(vm, &d, err) < 0)
        return err->code;
    c = lv_call_new(vm, open_console, err);
    if (!c)
        return err->code;
    r = lv_call_run(c, &d, "open the console", err);
    if (r == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        r = hvp_fail(err, errno, "socketpair: %m");
    if (r == 0) {
        r = pump(steal_ptr(&c->stream), ends[1], err);
        if (r < 0)
            close(ends[0]);
        else
            *fd = ends[0];
    }
    lv_call_free(c);
    return r;
}
