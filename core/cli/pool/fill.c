/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The making of members. Each is a container like any other, whose program starts as programs do,
 * looks at all that a container sees and ends (warm_up.c): what a start takes has been done once in
 * its VM, and an emulator has translated it. To do it two or three times was seen to gain nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/path.h"
#include "base/timing.h"
#include "cli/pool/pool.h"

#define CPU_SHARES 102 /* a tenth of what a container has by default */
#define SEQ_HOLD 12
#define FAILED_FOR_S 60
#define HEAD_START_MS 1000
#define LOG_MAX (256 << 10)

bool pool_possible(const struct creation *c, const char **ret_why)
{
    const char *why = NULL;

    if (c->member)
        why = "it joins the VM of another container";
    else if (c->choice.decision.pool.size == 0)
        why = "its class has no pool (pool.size)";
    else if (layout_is_users() || geteuid() != 0)
        why = "only root's VMs come from a pool";
    else if (c->disks.n && !c->disks.later)
        why = "it is a pod's with disks, or the back-end cannot plug its disks into a VM that runs";
    if (ret_why)
        *ret_why = why;
    return !why;
}

static uint64_t in_time(const struct creation *c)
{
    return deadline_in_ms((uint32_t)(c->choice.decision.boot_timeout_s * 1000));
}

static int ask(struct creation *c, uint16_t type, struct err *err)
{
    cleanup_call(wbuf_done) struct wbuf body = {0};
    const struct ipc_target target = {.id = c->state.id};

    ipc_target_put(&body, &target);
    return ipc_call(c->sock, type, &body, in_time(c), NULL, err);
}

/*
 * Its end is what is waited for: whatever it says goes nowhere. It has no network, which the VM is
 * told, so that a container without one finds its NIC as it wants it.
 */
static int run_once(struct creation *c, struct err *err)
{
    const struct container self = {.state = c->state};
    int r, status;

    if ((r = network_carry(c->cli, &self, err)) < 0 || (r = ask(c, IPC_START, err)) < 0 ||
        (r = interrupt_wait(&c->interrupt, c->proxy.pidfd, in_time(c), err)) < 0)
        return r;
    if (proc_wait_gone(c->proxy.pidfd, 0) < 0)
        return err_set(err, ETIMEDOUT, "what warms the VM up does not end");
    c->proxy.pid = 0;
    if ((r = proc_reap(c->proxy.pidfd, &status, err)) < 0)
        return r;
    close_fd(&c->proxy.pidfd);
    if (status != 0)
        return err_set(err, EIO, "what warms the VM up ended with %#x", status);
    return ask(c, IPC_DELETE, err);
}

static int hold(const struct creation *c, int ns, struct err *err)
{
    int r = ipc_send(c->sock, IPC_HOLD, SEQ_HOLD, NULL, &ns, 1, err);

    return r < 0 ? r : ipc_wait(c->sock, SEQ_HOLD, in_time(c), NULL, err);
}

/* What it was made of was looked at before: what has changed since is not in it. */
static int check_facts(const struct creation *c, struct err *err)
{
    if (template_facts_hold(&c->pool_facts))
        return 0;
    return err_set_phase(err, PHASE_CONFIG, ESTALE,
                         "the configuration or a file that a VM is made of has changed while VMs "
                         "were made for a pool: the next start makes them anew");
}

/* The facts come last: with them it may be taken. */
static int publish(struct creation *c, struct err *err)
{
    cleanup_free char *text = template_facts_text(&c->pool_facts);
    int r;

    c->state.creator = c->state.proxy = (struct proc_id){0};
    (void)unlinkat(c->dir.fd, "status", 0);
    if ((r = state_write(&c->dir, &c->state, err)) < 0)
        return r;
    if (fault_point("cli.pool-held") < 0)
        return err_set(err, EIO, "fault cli.pool-held");
    return path_replace(c->dir.fd, POOL_FACTS, text, strlen(text), 0600, err);
}

static int warm_up(struct creation *c, struct err *err)
{
    cleanup_free char *path = xasprintf("/proc/%d/ns/net", (int)c->proxy.pid);
    cleanup_fd int ns = open(path, O_RDONLY | O_CLOEXEC);
    int r;

    if (ns < 0)
        return err_set(err, errno, "open '%s': %m", path);
    if ((r = run_once(c, err)) < 0 || (r = check_facts(c, err)) < 0 || (r = hold(c, ns, err)) < 0)
        return r;
    if ((r = publish(c, err)) < 0) {
        /* It waits for a container: the end of our connection is none for it. */
        (void)pidfd_send_signal(c->monitor.pidfd, SIGKILL, NULL, 0);
        return r;
    }
    c->committed = true;
    return 0;
}

/* The VM is like that of `of`, and nothing else is. */
static int make_one(const struct creation *of, const struct pool *p, const char *bundle, int null,
                    struct strv *made, struct err *err)
{
    cleanup_call(creation_done) struct creation c = CREATION_INIT;
    cleanup_free char *name = NULL;
    uint64_t random = 0;
    int r;

    (void)getrandom(&random, sizeof(random), 0);
    name = xasprintf("pool-%016" PRIx64, random);
    c.cli = &p->cli;
    c.id = name;
    c.bundle = bundle;
    c.stdio[0] = c.stdio[1] = c.stdio[2] = null;
    c.complete = warm_up;
    c.keep_vm = true;
    if ((r = oci_bundle_load(bundle, &c.spec, err)) < 0)
        return r;
    free(c.spec->linux_.cgroups_path);
    c.spec->linux_.cgroups_path = xasprintf(POOL_CGROUP "/%s", name);
    c.spec->linux_.resources.cpu.shares = (struct oci_u64){true, CPU_SHARES};
    c.choice = of->choice; /* borrowed */
    c.pool_facts = of->pool_facts;
    c.choice.workload.is_sandbox = false;
    c.choice.decision.pool.size = 0;
    r = creation_execute(&c, err);
    if (r == 0)
        strv_add(made, name);
    c.choice = (struct choice){0};
    c.pool_facts = (struct kvs){0};
    return r;
}

char *pool_failure(const struct pool *p, const char *cls)
{
    cleanup_free char *file = pool_file(p, "failed", cls);
    char *text = NULL;

    return path_read(AT_FDCWD, file, 64 << 10, &text, NULL, NULL) < 0 ? NULL : text;
}

/* The bound is of the class: one of another size makes room for what is asked for now. */
static void drop_one(const struct pool *p, const char *name)
{
    cleanup_call(pool_member_close) struct pool_member m = POOL_MEMBER_INIT;

    if (pool_member_open(p, name, true, &m, NULL) == 0 && m.made)
        (void)pool_member_drop(p, &m, NULL);
}

/* True: one is missing, and there is room for it. Those that become too old meanwhile are there: it
 * must end. */
static bool is_short(const struct creation *c, const struct pool *p, size_t size)
{
    cleanup_call(strv_done) struct strv others = {0};
    size_t n = pool_count(p, c, true, &others);

    for (size_t i = 0; n < size && i < others.n && n + others.n - i >= size; i++)
        drop_one(p, others.v[i]);
    return n < size;
}

/* Nobody's to remove: a member that goes would take it from under one that is being made. */
static int make_parent_cgroup(struct err *err)
{
    cleanup_call(cgroup_host_done) struct cgroup_host host = {0};
    cleanup_call(strv_done) struct strv dirs = {0};
    int r = cgroup_host_read("/proc/self/mountinfo", "/proc/self/cgroup", &host, err);

    if (r < 0 || (r = cgroup_paths(&host, POOL_CGROUP, NULL, &dirs, err)) < 0)
        return r;
    return cgroup_make(&host, &dirs, err);
}

/* 0: it is as it should be, or gone. One that somebody takes is locked. */
static int look_at(const struct creation *c, const struct pool *p, const char *name,
                   struct err *err)
{
    char wanted[TEMPLATE_NAME], has[TEMPLATE_NAME];
    enum pool_state state = POOL_DEAD;

    template_name(&c->pool_facts, wanted);
    for (int locked = 0; locked <= 1; locked++) {
        cleanup_call(pool_member_close) struct pool_member m = POOL_MEMBER_INIT;

        if (pool_member_open(p, name, locked, &m, NULL) < 0)
            return 0;
        state = pool_member_look(&m, &c->choice.config);
        template_name(&m.facts, has);
        if (state == POOL_BUSY ||
            ((state == POOL_READY || state == POOL_EXPIRED) && strcmp(has, wanted) == 0))
            return 0;
        if (locked)
            (void)pool_member_drop(p, &m, NULL);
    }
    return err_set(
        err, EIO,
        "a VM that was just made for the pool of class '%s' is %s and fits no container: "
        "no more are made (a value of the configuration with an end of line in it "
        "does that, or a hypervisor that ends)",
        c->choice.decision.cls, pool_state_name(state));
}

/* Whoever is short of them would make more of what is of no use for ever. */
static int check_made(const struct creation *c, const struct pool *p, const struct strv *made,
                      struct err *err)
{
    int r = check_facts(c, err);

    for (size_t i = 0; i < made->n && r == 0; i++)
        r = look_at(c, p, made->v[i], err);
    return r;
}

static int fill_locked(struct creation *c, const struct pool *p, size_t size, unsigned *ret_made,
                       struct err *err)
{
    cleanup_free char *bundle = pool_file(p, "bundle", c->choice.decision.cls);
    cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    cleanup_call(strv_done) struct strv made = {0};
    int r = null < 0 ? err_set(err, errno, "open '/dev/null': %m") : 0;

    (void)pool_sweep(c->cli, &c->choice.config);
    if (r == 0)
        r = make_parent_cgroup(err);
    while (r == 0 && (r = check_made(c, p, &made, err)) == 0 && is_short(c, p, size)) {
        uint64_t begin = now_ns();

        if ((r = pool_check_room(c, err)) < 0 || (r = pool_bundle(c, bundle, err)) < 0 ||
            (r = make_one(c, p, bundle, null, &made, err)) < 0)
            break;
        ++*ret_made;
        log_info("made a VM for the pool of class '%s' in %" PRIu64 " ms", c->choice.decision.cls,
                 (now_ns() - begin) / 1000000);
    }
    (void)path_remove_tree(AT_FDCWD, bundle, NULL);
    return r;
}

static void note_end(const struct pool *p, const char *cls, int r, const struct err *err)
{
    cleanup_free char *file = pool_file(p, "failed", cls);

    if (r == 0)
        (void)unlink(file);
    else if (r != -EINTR && r != -ESTALE)
        (void)path_replace(AT_FDCWD, file, err->msg, strlen(err->msg), 0600, NULL);
}

/* What a member was taken for has the processors to itself, unless it goes on. */
static void let_command_end(void)
{
    cleanup_fd int command = pidfd_open(getppid(), 0);

    (void)fd_wait(command, POLLIN, HEAD_START_MS);
}

static int fill(struct creation *c, size_t size, bool later, unsigned *ret_made, struct err *err)
{
    cleanup_call(pool_close) struct pool p = {.dir = NULL};
    const char *cls = c->choice.decision.cls;
    cleanup_fd int lock = -1;
    int r;

    *ret_made = 0;
    pool_open(c->cli, &p);
    r = pool_lock(&p, cls, &lock, err);
    if (r == 0 && later)
        let_command_end();
    while (r == 0) {
        r = fill_locked(c, &p, size, ret_made, err);
        note_end(&p, cls, r, err);
        pool_unlock(lock);
        if (r < 0 || !is_short(c, &p, size))
            break;
        /* Who found it locked relies on us, also at our last moment. */
        r = pool_lock_again(&p, cls, lock, err);
    }
    return r;
}

int pool_fill(struct creation *c, size_t size, unsigned *ret_made, struct err *err)
{
    return fill(c, size, false, ret_made, err);
}

static bool failed_just_now(const struct pool *p, const char *cls)
{
    cleanup_free char *file = pool_file(p, "failed", cls);
    struct stat st;
    time_t now = (time_t)realtime_s();

    return stat(file, &st) == 0 && st.st_mtim.tv_sec <= now &&
           now - st.st_mtim.tv_sec < FAILED_FOR_S;
}

static void start_log(const struct pool *p)
{
    cleanup_free char *file = path_join(p->dir, POOL_LOG);
    struct stat st;
    int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > LOG_MAX)
        (void)ftruncate(fd, 0);
    log_init(fd, LOG_TEXT, LOG_L_INFO);
}

/* Nothing of the caller's stays open: engines wait for the end of what they read. */
static _Noreturn void be_filler(struct creation *c, const struct pool *p)
{
    struct err err = ERR_INIT;
    unsigned made;
    int r;

    for (int fd = 0; fd < 3; fd++)
        close(fd);
    (void)close_range(3, ~0U, 0);
    for (int fd = 0; fd < 3; fd++)
        (void)!open("/dev/null", O_RDWR);
    (void)sigprocmask(SIG_SETMASK, &c->interrupt.old_mask, NULL);
    (void)setsid();
    (void)chdir("/");
    (void)path_mkdirs(p->dir, 0700, NULL);
    start_log(p);
    r = fill(c, c->choice.decision.pool.size, true, &made, &err);
    if (r < 0 && r != -EAGAIN)
        log_warn("fill the pool of class '%s': %s", c->choice.decision.cls, err.msg);
    _exit(0);
}

void pool_refill(struct creation *c)
{
    cleanup_call(pool_close) struct pool p = {.dir = NULL};
    pid_t pid;

    if (!pool_possible(c, NULL))
        return;
    pool_open(c->cli, &p);
    if (failed_just_now(&p, c->choice.decision.cls) ||
        pool_count(&p, c, false, NULL) >= c->choice.decision.pool.min_free)
        return;
    (void)flock(c->dir.fd, LOCK_UN); /* else the child would keep it until it has run */
    pid = fork();
    if (pid == 0)
        be_filler(c, &p);
    if (pid < 0)
        log_warn("start a process that fills the pool: %s, ignoring", strerror(errno));
}
