/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plug.c - the plug-in that the ABI tests load, built in many forms (CMakeLists.txt defines the
 * words in capitals) and told by config keys what to claim and how to misbehave.
 */
#include <anyvisor/hvp.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct instance {
    const struct hvp_host *host;
    struct hvp_caps caps;
    char probe[16];  /* "ok", "crash", "exit", "hang", "fail" */
    char answer[16]; /* of vm_start: "ok", "positive", "mute" */
};

struct vm {
    struct instance *in;
    uint32_t state;
    int events;
    int event; /* the kind to report next; 0 = none */
};

/* Where two callers meet if the thread model lets them be inside at the same time. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int inside, met;
} room = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};

static int p_load(const struct hvp_host *host, void **inst, struct hvp_error *err)
{
    struct instance *in = calloc(1, sizeof(*in));

    (void)err;
    in->host = host;
    in->caps.flags = HVP_CAP_VMM_CHILD | HVP_CAP_PAUSE;
    in->caps.max_channels = 1;
    snprintf(in->caps.arch, sizeof(in->caps.arch), "%s", host->arch);
    snprintf(in->probe, sizeof(in->probe), "ok");
    snprintf(in->answer, sizeof(in->answer), "ok");
    *inst = in;
    return 0;
}

static int p_config(void *inst, const char *key, const char *value, struct hvp_error *err)
{
    struct instance *in = inst;
    uint64_t n = strtoull(value, NULL, 0);

    if (strcmp(key, "probe") == 0)
        snprintf(in->probe, sizeof(in->probe), "%s", value);
    else if (strcmp(key, "answer") == 0)
        snprintf(in->answer, sizeof(in->answer), "%s", value);
    else if (strcmp(key, "arch") == 0)
        snprintf(in->caps.arch, sizeof(in->caps.arch), "%s", value);
    else if (strcmp(key, "flags") == 0)
        in->caps.flags = n;
    else if (strcmp(key, "coldplug") == 0)
        in->caps.coldplug = (uint32_t)n;
    else if (strcmp(key, "hotplug") == 0)
        in->caps.hotplug = (uint32_t)n;
    else if (strcmp(key, "unplug") == 0)
        in->caps.unplug = (uint32_t)n;
    else if (strcmp(key, "channels") == 0)
        in->caps.max_channels = (uint32_t)n;
    else
        return hvp_fail(err, EINVAL, "no key '%s' here", key);
    return 0;
}

/* Also under AddressSanitizer, which has a handler of its own. */
static void crash(void)
{
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

static int p_probe(void *inst, struct hvp_caps *caps, uint32_t timeout_ms, struct hvp_error *err)
{
    struct instance *in = inst;
    uint32_t room_for = caps->struct_size;

    (void)timeout_ms;
    if (strcmp(in->probe, "crash") == 0)
        crash();
    if (strcmp(in->probe, "exit") == 0)
        _exit(3);
    while (strcmp(in->probe, "hang") == 0)
        pause();
    if (strcmp(in->probe, "fail") == 0)
        return hvp_fail(err, ENODEV, "no such hypervisor\there");
    memcpy(caps, &in->caps, room_for < sizeof(in->caps) ? room_for : sizeof(in->caps));
    caps->struct_size = room_for;
    return 0;
}

static void p_unload(void *inst)
{
    free(inst);
}

static int p_vm_create(void *inst, const struct hvp_vm_spec *spec, uint32_t timeout_ms, void **vm,
                       struct hvp_error *err)
{
    struct vm *v = calloc(1, sizeof(*v));

    (void)spec, (void)timeout_ms, (void)err;
    v->in = inst;
    v->state = HVP_VM_CREATED;
    v->events = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    *vm = v;
    return 0;
}

static int p_vm_start(void *vm, uint32_t timeout_ms, struct hvp_error *err)
{
    struct vm *v = vm;

    (void)timeout_ms, (void)err;
    if (strcmp(v->in->answer, "positive") == 0)
        return 5;
    if (strcmp(v->in->answer, "mute") == 0)
        return -EIO;
    v->state = HVP_VM_RUNNING;
    v->event = HVP_EVENT_PANIC;
    eventfd_write(v->events, 1);
    return 0;
}

static int p_vm_destroy(void *vm, uint32_t timeout_ms, struct hvp_error *err)
{
    (void)timeout_ms, (void)err;
    ((struct vm *)vm)->state = HVP_VM_STOPPED;
    return 0;
}

static int p_vm_state(void *vm, uint32_t *state, struct hvp_error *err)
{
    (void)err;
    *state = ((struct vm *)vm)->state;
    return 0;
}

static int p_vm_ref(void *vm, char *buf, size_t len, struct hvp_error *err)
{
    (void)vm, (void)err;
    snprintf(buf, len, "plug 1");
    return 0;
}

static int p_vm_reopen(void *inst, const char *ref, uint32_t timeout_ms, void **vm,
                       struct hvp_error *err)
{
    (void)inst, (void)timeout_ms, (void)vm;
    return hvp_fail(err, ENOENT, "no VM '%s'", ref);
}

static void p_vm_close(void *vm)
{
    if (vm)
        close(((struct vm *)vm)->events);
    free(vm);
}

static int p_event_fd(void *vm, int *fd, struct hvp_error *err)
{
    (void)err;
    *fd = ((struct vm *)vm)->events;
    return 0;
}

static int p_event_next(void *vm, struct hvp_event *ev, struct hvp_error *err)
{
    struct vm *v = vm;
    eventfd_t count;

    if (!v->event)
        return hvp_fail(err, EAGAIN, "none");
    eventfd_read(v->events, &count);
    ev->kind = (uint32_t)v->event;
    v->event = 0;
    return 0;
}

/* Not CLOEXEC, against the rules: core mends it. */
static int p_agent_open(void *vm, uint32_t port, uint32_t timeout_ms, int *fd,
                        struct hvp_error *err)
{
    int pair[2];

    (void)vm, (void)port, (void)timeout_ms;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return hvp_fail(err, errno, "socketpair failed");
    close(pair[1]);
    *fd = pair[0];
    return 0;
}

/* 0 when another caller was inside at the same time, -ETIMEDOUT when none came. */
static int meet(uint32_t timeout_ms, struct hvp_error *err)
{
    struct timespec end;
    int met, r = 0;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += timeout_ms / 1000;
    end.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    pthread_mutex_lock(&room.lock);
    if (++room.inside == 1)
        room.met = 0;
    else
        room.met = 1;
    pthread_cond_broadcast(&room.changed);
    while (!room.met && r == 0)
        r = pthread_cond_timedwait(&room.changed, &room.lock, &end);
    met = room.met;
    room.inside--;
    pthread_mutex_unlock(&room.lock);
    return met ? 0 : hvp_fail(err, ETIMEDOUT, "met nobody");
}

static int p_vm_pause(void *vm, uint32_t timeout_ms, struct hvp_error *err)
{
    (void)vm;
    return meet(timeout_ms, err);
}

static const struct {
    struct hvp_plugin known;
    void *future[8]; /* of a newer ABI */
} table = {
    .known =
        {
            .struct_size = TABLE_SIZE,
            .abi = TABLE_ABI,
            .name = "plug",
            .version = "1.0",
            .help = "probe   ok, crash, exit, hang or fail\nanswer  of vm_start\narch    \nflags\n"
                    "coldplug\nhotplug\nunplug\nchannels\n",
            .thread_model = MODEL,
            .load = p_load,
            .config = CONFIG,
            .probe = p_probe,
            .unload = p_unload,
            .vm_create = p_vm_create,
            .vm_start = p_vm_start,
            .vm_destroy = p_vm_destroy,
            .vm_state = p_vm_state,
            .vm_ref = p_vm_ref,
            .vm_reopen = p_vm_reopen,
            .vm_close = p_vm_close,
            .event_fd = EVENT_FD,
            .event_next = p_event_next,
            .agent_open = p_agent_open,
            .vm_pause = p_vm_pause,
            .vm_resume = p_vm_pause,
        },
    .future = {(void *)&room},
};

/* The forms without configuration, events or table leave these unused. */
static const void *const used[] = {(const void *)(uintptr_t)p_config,
                                   (const void *)(uintptr_t)p_event_fd, &table};

HVP_EXPORT const struct hvp_plugin *ENTRY(void);
const struct hvp_plugin *ENTRY(void)
{
    return used[0] ? TABLE : NULL;
}
