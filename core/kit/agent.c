/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's channel and the VM's events. Of the agent's protocol the kit knows two heads:
 * ATTACH, and the HELLO that answers it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "kit/internal.h"

#define HEAD 16
#define KNOCKS_MAX 16
#define CONSOLE_MS 5000
#define CONSOLE_LINES 3
#define TYPE_HELLO 1
#define TYPE_ATTACH 47

/* Type, no body, id 0. */
static void put_head(uint8_t head[HEAD], uint8_t type, uint32_t seq)
{
    memset(head, 0, HEAD);
    head[0] = 0xa5;
    head[1] = 0x56;
    head[2] = type;
    memcpy(head + 12, &seq, sizeof(seq)); /* read back as it was written */
}

static bool attach(int fd, uint32_t seq)
{
    uint8_t head[HEAD];

    put_head(head, TYPE_ATTACH, seq);
    return fd_write_all(fd, head, sizeof(head), NULL) == 0;
}

/* Reads until a HELLO with this number passes by; what comes before is an older session's, or a
 * head of zeros, an agent's word that it has begun to listen and would have ATTACH again. */
static bool read_hello(int fd, uint32_t seq, uint32_t ms)
{
    uint64_t end = kit_now_ms() + ms, now;
    uint8_t last[HEAD] = {0}, want[HEAD];
    unsigned zeros = 0, knocks = 0;

    put_head(want, TYPE_HELLO, seq);
    while ((now = kit_now_ms()) < end) {
        if (fd_wait(fd, POLLIN, (int)(end - now)) <= 0)
            continue;
        memmove(last, last + 1, HEAD - 1);
        if (read(fd, last + HEAD - 1, 1) <= 0)
            return false;
        memcpy(want + 4, last + 4, 4); /* its length is not ours to know */
        if (memcmp(last, want, HEAD) == 0)
            return true;
        zeros = last[HEAD - 1] ? 0 : zeros + 1;
        if (zeros == HEAD && knocks++ < KNOCKS_MAX && !attach(fd, seq))
            return false;
    }
    return false;
}

/* Its last lines as one. */
static char *console_line(const struct kit *k)
{
    char *text = path_tail(AT_FDCWD, k->console, CONSOLE_LINES);

    for (char *end = text; (end = strchr(end, '\n'));)
        *end = '|';
    return text;
}

bool kit_hello(struct kit *k, void *vm)
{
    static uint32_t session;
    cleanup_free char *tail = NULL;
    cleanup_fd int fd = -1;
    uint64_t start = kit_now_ms();
    bool heard;

    if (!kit_ok(k, KIT_CALL(k, agent_open, vm, 0, k->o->boot_ms, &fd), "the agent's channel opens"))
        return false;
    kit_that(k, fcntl(fd, F_GETFD) & FD_CLOEXEC, "the channel is CLOEXEC", "it is not");
    kit_that(k, !(fcntl(fd, F_GETFL) & O_NONBLOCK), "the channel is blocking", "it is not");
    heard = attach(fd, ++session) && read_hello(fd, session, k->o->boot_ms);
    tail = heard ? NULL : console_line(k);
    kit_that(k, heard, "the agent answers ATTACH with HELLO",
             "nothing came in %u s; the guest's last lines: %s", k->o->boot_ms / 1000, tail);
    kit_note(k, "the agent's HELLO came after %llu ms", (unsigned long long)(kit_now_ms() - start));
    return heard;
}

uint32_t kit_event(struct kit *k, void *vm, uint32_t ms)
{
    struct hvp_event ev = {.struct_size = sizeof(ev)};
    uint64_t end = kit_now_ms() + ms, now;
    int fd = -1, r = -EAGAIN;

    if (KIT_CALL(k, event_fd, vm, &fd) < 0)
        return 0;
    do {
        now = kit_now_ms();
        if (fd_wait(fd, POLLIN, now < end ? (int)(end - now) : 0) > 0)
            r = KIT_CALL(k, event_next, vm, &ev);
    } while (r == -EAGAIN && kit_now_ms() < end);
    if (r < 0)
        return 0;
    ev.msg[sizeof(ev.msg) - 1] = '\0';
    kit_note(k, "event %s, status %d: %s",
             plugin_event_name(ev.kind) ? plugin_event_name(ev.kind) : "?", ev.status, ev.msg);
    return ev.kind;
}

/* What the guest has printed may still be on its way through the hypervisor's daemons. */
bool kit_console_says(struct kit *k)
{
    uint64_t end = kit_now_ms() + CONSOLE_MS, now;
    cleanup_fd int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    char events[512];
    struct stat st;

    if (watch < 0 || inotify_add_watch(watch, k->console, IN_MODIFY) < 0)
        return false;
    while (stat(k->console, &st) == 0) {
        if (st.st_size > 0)
            return true;
        now = kit_now_ms();
        if (now >= end || fd_wait(watch, POLLIN, (int)(end - now)) <= 0)
            return false;
        (void)!read(watch, events, sizeof(events));
    }
    return false;
}
