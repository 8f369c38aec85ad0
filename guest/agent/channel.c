/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The byte stream to the host. A session begins with the host's ATTACH, never with what the carrier
 * says about its coming: virtio-serial tells that only at the edge (a level-triggered EPOLLHUP
 * would spin), and merges edges. Hence EPOLLET: every event reads and writes until EAGAIN.
 */
#include "agent/container/container.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

#include "base/cleanup.h"
#include "base/macros.h"

#define READ_CHUNK (64u << 10)
#define OUT_CONGESTED (1u << 20) /* streams pause above this */
#define OUT_MAX (16u << 20)      /* a host that reads nothing loses the connection */

static void channel_ready(struct agent *a, struct source *s, uint32_t events);
static int connect_vsock(struct agent *a, struct err *err);

static void disconnected(struct agent *a)
{
    struct channel *ch = &a->channel;

    ch->connected = false;
    ch->out_at = ch->out_len = 0; /* the reader's buffer may be in a handler's hands: later */
    if (a->at.channel_fd >= 0) {
        a->stop = true; /* fake: the host end is gone for good */
        return;
    }
    if (a->at.vsock_port) {
        struct itimerspec soon = {.it_value = {.tv_nsec = 100000000}};

        loop_close(a, &ch->source);
        (void)timerfd_settime(a->timer.fd, 0, &soon, NULL);
    }
}

static void write_out(struct agent *a)
{
    struct channel *ch = &a->channel;
    bool was_congested = channel_congested(a);

    while (ch->source.fd >= 0 && ch->out_at < ch->out_len) {
        ssize_t n = write(ch->source.fd, ch->out + ch->out_at, ch->out_len - ch->out_at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break; /* EAGAIN: an edge will follow; EPIPE: the reader sees it */
        ch->out_at += (size_t)n;
    }
    if (ch->out_at == ch->out_len)
        ch->out_at = ch->out_len = 0;
    if (was_congested && !channel_congested(a))
        streams_uncork(a);
}

static uint8_t *out_room(struct agent *a, size_t n)
{
    struct channel *ch = &a->channel;

    if (ch->out_at && (ch->out_at == ch->out_len || ch->out_at > OUT_CONGESTED / 4)) {
        memmove(ch->out, ch->out + ch->out_at, ch->out_len - ch->out_at);
        ch->out_len -= ch->out_at;
        ch->out_at = 0;
    }
    if (ch->out_len + n > OUT_MAX)
        return NULL;
    if (ch->out_len + n > ch->out_cap) {
        size_t cap = ch->out_cap ? ch->out_cap : 64u << 10;
        uint8_t *p;

        while (cap < ch->out_len + n)
            cap *= 2;
        p = realloc(ch->out, cap);
        if (!p)
            return NULL;
        ch->out = p;
        ch->out_cap = cap;
    }
    return ch->out + ch->out_len;
}

void channel_send(struct agent *a, uint16_t type, uint32_t id, uint32_t seq, const void *body,
                  size_t len)
{
    struct frame_head h = {.type = type, .len = (uint32_t)len, .id = id, .seq = seq};
    struct channel *ch = &a->channel;
    uint8_t *to;

    if (!ch->connected)
        return;
    to = len <= FRAME_BODY_MAX ? out_room(a, FRAME_HEAD_SIZE + len) : NULL;
    if (!to) {
        disconnected(a);
        return;
    }
    frame_head_put(to, &h);
    if (len)
        memcpy(to + FRAME_HEAD_SIZE, body, len);
    ch->out_len += FRAME_HEAD_SIZE + len;
    write_out(a);
}

static void send_reply(struct agent *a, uint32_t id, uint32_t seq, const struct msg_reply *m)
{
    struct wbuf w = {0};

    msg_reply_put(&w, m);
    if (wbuf_ok(&w))
        channel_send(a, FRAME_REPLY, id, seq, w.data, w.len);
    wbuf_done(&w);
}

void channel_reply(struct agent *a, uint32_t id, uint32_t seq, int r, const struct err *err)
{
    struct msg_reply m = {.code = r < 0 ? -r : 0};

    if (r < 0)
        m.text = (char *)(err && err->msg[0] ? err->msg : strerror(-r));
    send_reply(a, id, seq, &m);
}

void channel_reply_body(struct agent *a, uint32_t id, uint32_t seq, const struct wbuf *body)
{
    struct msg_reply m = {.body = body->data, .body_len = body->len};

    if (!wbuf_ok(body))
        m = (struct msg_reply){.code = ENOMEM, .text = (char *)"out of memory"};
    send_reply(a, id, seq, &m);
}

bool channel_congested(const struct agent *a)
{
    return a->channel.out_len - a->channel.out_at > OUT_CONGESTED;
}

void channel_flush(struct agent *a)
{
    struct channel *ch = &a->channel;

    while (ch->connected && ch->source.fd >= 0 && ch->out_at < ch->out_len) {
        struct pollfd p = {.fd = ch->source.fd, .events = POLLOUT};

        if (poll(&p, 1, 2000) < 1 || (p.revents & (POLLHUP | POLLERR)))
            return;
        write_out(a);
    }
}

void channel_done(struct agent *a)
{
    loop_close(a, &a->channel.source);
    frame_reader_done(&a->channel.reader);
    free(steal_ptr(&a->channel.out));
}

static void send_hello(struct agent *a, uint32_t session)
{
    struct msg_hello m = {.version = PROTO_VERSION,
                          .features = AGENT_F_OVERLAY | AGENT_F_DISKS,
                          .agent = (char *)AGENT_VERSION};
    struct wbuf w = {0};
    static struct utsname u; /* what the first session asked, a template's clones know */
    struct timespec t;

    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    m.boot_ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    if (u.release[0] || uname(&u) == 0) {
        m.kernel = u.release;
        m.arch = u.machine;
    }
    fault_point(a, "hello");
    msg_hello_put(&w, &m);
    channel_send(a, FRAME_HELLO, 0, session, w.data, w.len);
    wbuf_done(&w);
}

/* What the last host left unread is nobody's. */
static void attach(struct agent *a, uint32_t session)
{
    struct channel *ch = &a->channel;

    if (ch->connected && ch->session == session)
        return; /* said twice */
    ch->out_at = ch->out_len = 0;
    ch->connected = true;
    ch->session = session;
    ch->ahead = ch->hung_up;
    streams_reset_credit(a);
    send_hello(a, session);
    processes_report(a);
}

/* All whole frames; -EPROTO when the host does not speak our protocol. */
static int take_frames(struct agent *a)
{
    struct frame_head h;
    const uint8_t *body;
    int r = 0;

    while (!a->stop && (r = frame_reader_next(&a->channel.reader, &h, &body)) == 1) {
        if (h.type == FRAME_ATTACH)
            attach(a, h.seq);
        else if (a->channel.connected && (r = request_dispatch(a, &h, body)) < 0)
            return r;
    }
    return r;
}

static bool is_port(const struct agent *a)
{
    return a->at.channel_fd < 0 && !a->at.vsock_port;
}

/*
 * A port's hang-up is the last host's: the next one's bytes may be there already. They come by
 * another queue than the word that it has come, so that its ATTACH may have been read, too: then
 * the hang-up says nothing about it, until the port has been seen without one.
 */
static void hung_up(struct agent *a)
{
    struct channel *ch = &a->channel;

    ch->hung_up = true;
    if (ch->ahead)
        return;
    disconnected(a);
    frame_reader_reset(&ch->reader);
}

static void read_in(struct agent *a)
{
    struct channel *ch = &a->channel;

    while (ch->source.fd >= 0 && !a->stop) {
        size_t room;
        uint8_t *to = frame_reader_space(&ch->reader, READ_CHUNK, &room);
        ssize_t n = to ? read(ch->source.fd, to, room) : -1;

        if (n < 0 && to && errno == EINTR)
            continue;
        if (n < 0 && to && errno == EAGAIN)
            return;
        if (n == 0 && is_port(a)) {
            hung_up(a);
            return;
        }
        if (n <= 0) {
            disconnected(a);
            return;
        }
        frame_reader_commit(&ch->reader, (size_t)n);
        if (take_frames(a) < 0) {
            agent_debug(a, "garbage on the channel, ending the session");
            frame_reader_reset(&ch->reader);
            disconnected(a);
        }
    }
}

static void channel_ready(struct agent *a, struct source *s, uint32_t events)
{
    struct channel *ch = &a->channel;

    (void)s;
    if (is_port(a) && (events & EPOLLHUP))
        hung_up(a);
    else
        ch->hung_up = ch->ahead = false;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_in(a); /* a socket's end is in what it reads */
    if (ch->connected && (events & EPOLLOUT))
        write_out(a);
}

/* The node of our port: numbers differ from boot to boot, the name does not. */
static int find_port(char *ret_path, size_t size)
{
    cleanup_dir DIR *d = opendir("/sys/class/virtio-ports");
    struct dirent *e;

    while (d && (e = readdir(d))) {
        char path[512], name[64] = "";
        cleanup_fd int fd = -1;
        ssize_t n;

        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", e->d_name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);
        if (n <= 0)
            continue;
        name[strcspn(name, "\n")] = '\0';
        if (strcmp(name, AGENT_PORT) != 0)
            continue;
        snprintf(ret_path, size, "/dev/%s", e->d_name);
        return 0;
    }
    return -ENOENT;
}

static int open_port(void)
{
    char path[300];
    int r = find_port(path, sizeof(path));

    if (r < 0)
        return r;
    r = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    return r < 0 ? -errno : r;
}

/*
 * A console device of Xen: -ENODEV until its driver has found it. What has come before the terminal
 * was raw may have been edited like a line: it is thrown away, and a knock asks the host to say it
 * again.
 */
static int open_console(unsigned number)
{
    static const char knock[FRAME_HEAD_SIZE]; /* frame_reader_seek */
    cleanup_fd int fd = -1;
    struct termios t;
    char path[32];

    snprintf(path, sizeof(path), "/dev/hvc%u", number);
    fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || tcgetattr(fd, &t) < 0)
        return -errno;
    cfmakeraw(&t);
    if (tcsetattr(fd, TCSANOW, &t) < 0 || tcflush(fd, TCIFLUSH) < 0 ||
        write(fd, knock, sizeof(knock)) < 0)
        return -errno;
    return steal_fd(&fd);
}

static int open_carrier(const struct agent *a)
{
    return a->at.hvc ? open_console(a->at.hvc) : open_port();
}

/* It appears when the device has been probed, which may be after the driver was loaded. */
static int wait_carrier(const struct agent *a, struct err *err)
{
    cleanup_fd int events = uevents_open();
    char buf[4096];
    int fd;

    if (events < 0)
        return err_set(err, -events, "listen for devices: %m");
    while ((fd = open_carrier(a)) < 0) {
        struct pollfd p = {.fd = events, .events = POLLIN};

        if ((fd != -ENODEV && fd != -ENOENT) || poll(&p, 1, 30000) < 1)
            return err_set(err, -fd, "open %s: %m", a->at.hvc ? "the console device" : AGENT_PORT);
        (void)!recv(events, buf, sizeof(buf), 0);
    }
    return fd;
}

static void vsock_retry(struct agent *a, struct source *s, uint32_t events)
{
    struct err err = ERR_INIT;
    uint64_t ticks;

    (void)events;
    (void)!read(s->fd, &ticks, sizeof(ticks));
    if (a->channel.source.fd >= 0)
        return;
    frame_reader_reset(&a->channel.reader);
    if (connect_vsock(a, &err) < 0)
        disconnected(a);
}

static int connect_vsock(struct agent *a, struct err *err)
{
    struct sockaddr_vm to = {
        .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = a->at.vsock_port};
    cleanup_fd int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r;

    if (fd < 0)
        return err_set(err, errno, "vsock: %m");
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
        return err_set(err, errno, "connect to vsock port %u: %m", a->at.vsock_port);
    r = loop_watch(a, &a->channel.source, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                   channel_ready, err);
    if (r == 0)
        (void)steal_fd(&fd);
    return r;
}

static int watch_carrier(struct agent *a, int *fd, struct err *err)
{
    int r =
        loop_watch(a, &a->channel.source, *fd, EPOLLIN | EPOLLOUT | EPOLLET, channel_ready, err);

    if (r == 0)
        (void)steal_fd(fd);
    return r;
}

int channel_reopen(struct agent *a, struct err *err)
{
    cleanup_fd int fd = -1;

    disconnected(a);
    loop_close(a, &a->channel.source);
    frame_reader_done(&a->channel.reader);
    fd = wait_carrier(a, err);
    return fd < 0 ? fd : watch_carrier(a, &fd, err);
}

int channel_open(struct agent *a, struct err *err)
{
    cleanup_fd int fd = -1;
    int r;

    a->channel.source.fd = -1;
    if (a->at.vsock_port && a->at.channel_fd < 0) {
        cleanup_fd int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

        r = loop_watch(a, &a->timer, timer, EPOLLIN, vsock_retry, err);
        if (r < 0)
            return r;
        (void)steal_fd(&timer);
        if (connect_vsock(a, err) < 0)
            disconnected(a);
        return 0;
    }
    if (a->at.channel_fd >= 0) {
        fd = a->at.channel_fd;
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK | O_RDWR) < 0)
            return err_set(err, errno, "channel descriptor %d: %m", fd);
    } else {
        fd = wait_carrier(a, err);
        if (fd < 0)
            return fd;
    }
    return watch_carrier(a, &fd, err);
}

void agent_log(struct agent *a, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n > 0)
        channel_send(a, FRAME_LOG, 0, 0, text, MIN((size_t)n, sizeof(text) - 1));
    agent_debug(a, "%s", text);
}

void agent_debug(struct agent *a, const char *fmt, ...)
{
    va_list ap;

    if (!a->at.debug || a->kmsg_fd < 0)
        return;
    va_start(ap, fmt);
    dprintf(a->kmsg_fd, "anyvisor-agent: ");
    (void)vdprintf(a->kmsg_fd, fmt, ap);
    dprintf(a->kmsg_fd, "\n");
    va_end(ap);
}
