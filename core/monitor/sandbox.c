/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a sandbox's VM up to READY: boot job, HELLO, SETUP; then its events.
 * Where a boot fails decides the phase that the operator reads: VMM until the VM runs, KERNEL until
 * HELLO, AGENT until the answer to SETUP.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <time.h>
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/path.h"
#include "base/timing.h"
#include "monitor/monitor.h"

#define CONSOLE_LINES 10
#define ENTROPY_BYTES 256
#define HOSTNAME_BYTES 63
#define SHARE_OPTIONS "version=9p2000.L,msize=512000,cache=mmap,access=client" /* by default */
#define BOOT_TIMEOUT_MS 60000 /* when the CLI has not said */

static void on_vm_event(void *ctx, uint32_t events);

/* The sentence, and what the guest has said last. */
static void add_console(struct monitor *m, struct err *err)
{
    cleanup_free char *tail = path_tail(m->state_fd, CONSOLE_NAME, CONSOLE_LINES);
    size_t used = strlen(err->msg);

    if (*tail)
        snprintf(err->msg + used, sizeof(err->msg) - used, "; the guest's last console lines:\n%s",
                 tail);
    else if (err->phase == PHASE_KERNEL)
        snprintf(err->msg + used, sizeof(err->msg) - used, "; the guest's console is empty");
}

/* Whatever waits for the sandbox hears why there is none; then the monitor ends. */
void sandbox_fail(struct monitor *m, const struct err *err)
{
    struct err full = *err;

    if (m->phase == MON_ENDING)
        return;
    m->failed = true;
    add_console(m, &full);
    m->lost = full;
    log_error("%s%s%s", err_phase_name(full.phase), full.phase ? ": " : "", full.msg);
    reply_err(m, &m->reply_sandbox, &full);
    for (struct container *c = m->containers; c; c = c->next)
        reply_err(m, &c->reply_create, &full);
    if (m->channel)
        agent_link_lose(m, &full);
    teardown_begin(m);
}

static void fail_now(struct monitor *m, enum err_phase phase, int code, const char *what)
{
    struct err err;

    err_set_phase(&err, phase, code, "%s", what);
    sandbox_fail(m, &err);
}

static enum err_phase phase_of_wait(const struct monitor *m)
{
    return m->phase == MON_HELLO ? PHASE_KERNEL : PHASE_AGENT;
}

/* All that the VM's processes have been told is lost with it. */
static void vm_lost(struct monitor *m, const struct err *err)
{
    struct err full = *err;

    if (m->phase == MON_ENDING)
        return;
    if (m->phase != MON_READY) {
        sandbox_fail(m, err);
        return;
    }
    m->failed = true;
    add_console(m, &full);
    m->lost = full;
    if (m->channel)
        agent_link_lose(m, &full);
    log_error("%s: %s", err_phase_name(full.phase), full.msg);
    conn_tell_end(m);
    for (struct container *c = m->containers; c; c = c->next) {
        reply_err(m, &c->reply_create, &full);
        container_vm_lost(c);
    }
    teardown_begin(m);
}

/* A VMM that died closes the channel, too, and its event has the better reason: ask for it first.
 */
static void channel_has_gone(struct monitor *m)
{
    if (m->event_asked)
        return;
    if (m->phase != MON_ENDING && m->channel_err.code == EPIPE && m->vm_events.fd >= 0 &&
        fd_wait(m->vm_events.fd, POLLIN, 500) > 0) {
        on_vm_event(m, EPOLLIN);
        return;
    }
    vm_lost(m, &m->channel_err);
    channel_free(steal_ptr(&m->channel)); /* who waits for a reply hears m->lost */
}

void sandbox_sweep(struct monitor *m)
{
    if (m->channel_lost && m->channel)
        channel_has_gone(m);
}

static uint32_t boot_timeout_ms(const struct monitor *m)
{
    return m->spec.boot_timeout_ms ? m->spec.boot_timeout_ms : BOOT_TIMEOUT_MS;
}

static void on_deadline(void *ctx)
{
    struct monitor *m = ctx;
    cleanup_free char *text = NULL;

    if (m->phase == MON_ENDING) {
        teardown_destroy(m);
        return;
    }
    text = xasprintf("%s in time (%u s; a larger boot_timeout gives it more)",
                     m->phase == MON_HELLO ? "the guest has not reported"
                                           : "the agent has not set the guest up",
                     boot_timeout_ms(m) / 1000);
    fail_now(m, phase_of_wait(m), ETIMEDOUT, text);
}

static int fill_setup(struct monitor *m, struct wbuf *w)
{
    cleanup_free char *options = NULL;
    cleanup_free char *hostname = xstrndup(m->spec.id, HOSTNAME_BYTES);
    uint8_t entropy[ENTROPY_BYTES];
    struct msg_setup setup = {
        .share_tag = m->boot.share_tag,
        .share_dir = m->boot.share_dir,
        .hostname = hostname,
        .modules = {m->spec.late_modules.v, m->spec.late_modules.n},
    };

    if (getrandom(entropy, sizeof(entropy), 0) != sizeof(entropy))
        return -EIO; /* a clone without would give others' random numbers */
    if (m->boot.share_tag)
        options = xasprintf("trans=%s,%s", m->boot.share_transport,
                            m->spec.share_options && *m->spec.share_options ? m->spec.share_options
                                                                            : SHARE_OPTIONS);
    setup.share_options = options;
    setup.entropy = entropy;
    setup.entropy_len = sizeof(entropy);
    setup.realtime_ns = realtime_ns();
    msg_setup_put(w, &setup);
    return wbuf_ok(w) ? 0 : -ENOMEM;
}

static void on_setup(void *ctx, const struct msg_reply *reply)
{
    struct monitor *m = ctx;

    if (m->phase != MON_SETUP || (reply->code == EPIPE && !reply->text))
        return;
    if (reply->code) {
        fail_now(m, PHASE_AGENT, reply->code, reply->text ? reply->text : "SETUP failed");
        return;
    }
    loop_disarm(&m->loop, &m->deadline);
    m->timings.setup = now_ns();
    m->phase = MON_READY;
    if (hold_set_up(m))
        return;
    clock_keep(m);
    if (fault_point("monitor.setup") < 0) {
        fail_now(m, PHASE_AGENT, EIO, "fault point 'monitor.setup'");
        return;
    }
    network_reply(m, &m->reply_sandbox, &m->boot.hostifs);
    for (struct container *c = m->containers; c; c = c->next)
        if (!c->dead && !c->sent && !c->deleting)
            container_send_create(c);
}

void sandbox_set_up(struct monitor *m)
{
    struct wbuf w = {0};

    if (fill_setup(m, &w) < 0 ||
        channel_request(m->channel, FRAME_SETUP, 0, &w, on_setup, m, NULL) < 0)
        fail_now(m, PHASE_AGENT, EIO, "cannot send SETUP");
    agent_link_update(m);
    wbuf_done(&w);
}

void sandbox_await(struct monitor *m, uint32_t ms)
{
    loop_arm(&m->loop, &m->deadline, deadline_in_ms(ms ? ms : BOOT_TIMEOUT_MS));
}

void sandbox_hello(struct monitor *m, const struct msg_hello *hello)
{
    if (m->phase != MON_HELLO)
        return;
    m->timings.hello = now_ns();
    log_info("agent %s on Linux %s (%s)", hello->agent ? hello->agent : "?",
             hello->kernel ? hello->kernel : "?", hello->arch ? hello->arch : "?");
    m->phase = MON_SETUP;
    if (hello->version != PROTO_VERSION)
        fail_now(m, PHASE_AGENT, EPROTO, "the guest's agent speaks another protocol version");
    else if (m->spec.n_disks && !(hello->features & AGENT_F_DISKS))
        fail_now(m, PHASE_AGENT, EPROTO,
                 "the guest image's agent is too old for disks: rebuild the guest image");
    else if (m->spec.template_use == IPC_TEMPLATE_BUILD)
        template_save(m);
    else if (fault_point("monitor.hello") < 0)
        fail_now(m, PHASE_AGENT, EIO, "fault point 'monitor.hello'");
    else
        sandbox_set_up(m);
}

/* The VM's own events. */

static void event_run(struct job *j)
{
    struct monitor *m = (struct monitor *)((char *)j - offsetof(struct monitor, event_job));

    m->event = (struct hvp_event){.struct_size = sizeof(m->event)};
    m->has_event = plugin_vm_event_next(m->boot.vm, &m->event, NULL);
}

static void event_done(struct job *j)
{
    struct monitor *m = (struct monitor *)((char *)j - offsetof(struct monitor, event_job));
    const char *name = plugin_event_name(m->event.kind);
    struct err err;
    bool vmm = m->event.kind == HVP_EVENT_VMM_CRASH || m->event.kind == HVP_EVENT_KILLED;

    m->event_asked = false;
    if (m->phase == MON_ENDING)
        return;
    if (m->has_event <= 0 || !name) {
        if (m->channel_lost)
            vm_lost(m, &m->channel_err);
        else if (m->has_event >= 0)
            (void)loop_watch(&m->loop, &m->vm_events, EPOLLIN);
        return;
    }
    err_set_phase(&err, vmm ? PHASE_VMM : phase_of_wait(m), EIO, "the VM has ended (%s): %s", name,
                  *m->event.msg ? m->event.msg : "no reason given");
    if (m->event.kind == HVP_EVENT_PANIC)
        err.phase = PHASE_KERNEL;
    vm_lost(m, &err);
}

static void on_vm_event(void *ctx, uint32_t events)
{
    struct monitor *m = ctx;

    (void)events;
    (void)loop_watch(&m->loop, &m->vm_events, 0);
    if (m->event_asked)
        return;
    m->event_asked = true;
    m->event_job = (struct job){.run = event_run, .done = event_done};
    worker_push(&m->worker, &m->event_job);
}

/* Booting. */

void sandbox_send_vmm(struct monitor *m, struct conn *proxy)
{
    if (proxy && !proxy->dead && m->n_vmm_pidfds)
        (void)ipc_send(proxy->source.fd, IPC_PROXY_VMM, 0, NULL, m->vmm_pidfds, m->n_vmm_pidfds,
                       NULL);
}

static void share_vmm_pids(struct monitor *m)
{
    for (size_t i = 0; i < m->boot.n_pids; i++) {
        int fd = pidfd_open(m->boot.pids[i], 0);

        if (fd >= 0)
            m->vmm_pidfds[m->n_vmm_pidfds++] = fd;
    }
    for (struct conn *c = m->conns; c; c = c->next)
        if (c->is_proxy)
            sandbox_send_vmm(m, c);
}

static void note_times(struct monitor *m)
{
    m->timings.plugin_loaded = m->boot.timings.plugin_loaded;
    m->timings.vm_created = m->boot.timings.vm_created;
    m->timings.vm_started = m->boot.timings.vm_started;
}

static int watch_vm(struct monitor *m, struct err *err)
{
    int r;

    console_guard(m);
    m->vm_events = (struct loop_source){.fd = m->boot.event_fd, .fn = on_vm_event, .ctx = m};
    if ((r = loop_watch(&m->loop, &m->vm_events, EPOLLIN)) < 0)
        return err_set(err, -r, "watch the VM's events: %m");
    return agent_link_open(m, err);
}

/* From here on nobody's cgroups change. */
static void close_cgroups(struct monitor *m)
{
    for (size_t i = 0; i < m->n_cgroup_fds; i++)
        close_fd(&m->cgroup_fds[i]);
    m->n_cgroup_fds = 0;
    free(m->cgroup_fds);
    m->cgroup_fds = NULL;
}

static void boot_done(struct job *j)
{
    struct monitor *m = (struct monitor *)((char *)j - offsetof(struct monitor, boot));

    close_cgroups(m);
    network_booted(m);
    note_times(m);
    if (m->phase == MON_ENDING) { /* given up meanwhile */
        teardown_destroy(m);
        return;
    }
    m->phase = MON_HELLO;
    if (m->boot.err.code == 0 && watch_vm(m, &m->boot.err) < 0)
        (void)err_in_phase(&m->boot.err, PHASE_AGENT);
    if (m->boot.err.code) {
        sandbox_fail(m, &m->boot.err);
        return;
    }
    share_vmm_pids(m);
    loop_arm(&m->loop, &m->deadline, m->boot.deadline_ns);
}

static void boot_start(struct monitor *m)
{
    uint32_t ms = boot_timeout_ms(m);

    m->phase = MON_BOOT;
    m->deadline = (struct loop_timer){.fn = on_deadline, .ctx = m};
    m->boot = (struct boot){
        .job = {.run = boot_run, .done = boot_done},
        .spec = &m->spec,
        .assets = &m->assets,
        .worker = &m->worker,
        .state_fd = m->state_fd,
        .deadline_ns = deadline_in_ms(ms),
        .channel_fd = -1,
        .event_fd = -1,
        .tap_fds = steal_ptr(&m->tap_fds),
        .n_taps = m->n_taps,
    };
    host_services_init(&m->boot.host, m);
    worker_push(&m->worker, &m->boot.job);
}

void sandbox_begin(struct monitor *m, struct reply_to to, const struct frame_head *h,
                   const uint8_t *body, int *fds, size_t n_fds)
{
    struct err err = ERR_INIT;
    size_t n_taps;

    m->reply_sandbox = to;
    m->timings.begin = now_ns();
    if (ipc_sandbox_get(wire_over(body, h->len), &m->spec) < 0)
        err_set(&err, EPROTO, "malformed IPC_SANDBOX");
    else if ((n_taps = ipc_nic_fds(m->spec.nics, m->spec.n_nics)) > n_fds)
        err_set(&err, EPROTO, "%zu descriptors came with %zu taps", n_fds, n_taps);
    else {
        network_take_taps(m, fds, n_taps);
        (void)prepare_host(m, fds + n_taps, n_fds - n_taps, &err);
    }
    if (err.code)
        sandbox_fail(m, &err);
    else
        boot_start(m);
}
