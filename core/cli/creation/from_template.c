/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/creation/from_template.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/timing.h"
#include "cli/lifecycle.h"
#include "state/state.h"

#define SEQ_BUILD 1
#define BUILD_MARGIN_MS 30000 /* the monitor's own time limit comes first */
#define FAILED_LOCK_MS 5000   /* for other clones of a bad one to have started */
#define ROOM_MIN (256 * MIB)  /* a booted guest takes half of it */
#define STATE_NAME "builder"  /* state directory of the one that is made, in its directory */
#define RUN_DIR "%s/" BUILDER_PREFIX "%.*s" /* short, and known to whoever makes the next one */
#define RUN_DIR_HEX 16

static struct template_limits limits_of(const struct creation *c)
{
    const struct config *k = &c->choice.config;

    return (struct template_limits){k->templates.max_age_s, k->templates.max_uses,
                                    k->templates.max_size};
}

static void add_pairs(const struct kvs *l, const char *prefix, struct kvs *ret)
{
    for (size_t i = 0; i < l->n; i++) {
        cleanup_free char *key = xasprintf("%s.%s", prefix, l->v[i].key);

        template_fact(ret, key, l->v[i].value);
    }
}

static void add_number(struct kvs *ret, const char *name, uint64_t n)
{
    cleanup_free char *text = xasprintf("%" PRIu64, n);

    template_fact(ret, name, text);
}

/* Every input of the VM and of what runs in it until HELLO; the plug-in adds its own by its key. */
void from_template_facts(const struct creation *c, struct kvs *ret)
{
    const struct decision *d = &c->choice.decision;
    const struct descriptor *b = c->choice.back_end;
    cleanup_call(boot_files_done) struct boot_files boot;

    choice_boot_files(c->cli, &c->choice, NULL, &boot); /* disks come later */
    template_fact(ret, "scope", d->template_scope);
    template_fact(ret, "version", layout_version());
    template_fact_boot(ret);
    template_fact(ret, "hypervisor", b->name);
    template_fact_file(ret, "descriptor", b->file);
    template_fact_file(ret, "plugin", b->so);
    for (size_t i = 0; i < b->n_config; i++) {
        cleanup_free char *key = xasprintf("config.%s", b->config[i].key);

        template_fact(ret, key, b->config[i].value);
    }
    template_fact_file(ret, "kernel", boot.kernel);
    template_fact_file(ret, "image", boot.image);
    template_fact(ret, "arguments", boot.cmdline);
    template_fact(ret, "machine", d->machine);
    template_fact(ret, "cpu", d->cpu_model);
    add_number(ret, "vcpus", d->size.vcpus);
    add_number(ret, "vcpus_max", d->size.vcpus_max);
    add_number(ret, "memory", d->size.memory);
    add_number(ret, "memory_max", d->size.memory_max);
    add_pairs(&d->vm_options, "option", ret);
    add_number(ret, "nics", c->nics.n);
    template_fact(ret, "security_model", d->storage.security_model);
}

/* A template is memory of the host for good: what runs out is not the containers' to lose. */
static int check_room(const struct template *t, struct err *err)
{
    struct statvfs fs;

    if (statvfs(t->path, &fs) < 0)
        return err_set(err, errno, "look at the file system of '%s': %m", t->path);
    if ((uint64_t)fs.f_bavail * fs.f_frsize < ROOM_MIN)
        return err_set(err, ENOSPC, "less than %" PRIu64 " MiB are free for a template in '%s'",
                       (uint64_t)(ROOM_MIN / MIB), t->path);
    return 0;
}

struct builder {
    const struct creation *c;
    struct child monitor;
    struct network_nics nics; /* like those of c */
    int sock;
    char *state_dir, *run_dir;
    bool ended; /* the monitor, and with it the VM */
};

/* A VM that lives without its monitor has the name of the next one. */
static int end_left_vm(const struct creation *c, const char *state_dir, struct err *err)
{
    cleanup_fd int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_free char *ref = NULL;
    bool found;

    if (dir < 0 || state_vm_read(dir, &ref, NULL) < 0)
        return 0;
    return vm_destroy_by_ref(c->cli, c->choice.back_end, ref, &found, err);
}

static void builder_done(struct builder *b)
{
    struct err ignored = ERR_INIT;

    network_nics_done(&b->nics);
    close_fd(&b->sock);
    creation_end_child(&b->monitor);
    close_fd(&b->monitor.pidfd);
    if (b->state_dir && !b->ended)
        (void)end_left_vm(b->c, b->state_dir, &ignored);
    if (b->state_dir)
        (void)path_remove_tree(AT_FDCWD, b->state_dir, &ignored);
    if (b->run_dir)
        (void)run_dir_remove(b->run_dir, &ignored);
    free(b->state_dir);
    free(b->run_dir);
}

/* What a killed one has left goes first. */
static int make_dirs(struct builder *b, struct err *err)
{
    const struct template *t = &b->c->template;
    cleanup_free char *owner = NULL;
    int r;

    b->state_dir = path_join(t->path, STATE_NAME);
    b->run_dir = xasprintf(RUN_DIR, layout_vm_dir(), RUN_DIR_HEX, t->name);
    if ((r = end_left_vm(b->c, b->state_dir, err)) < 0 ||
        (r = path_remove_tree(AT_FDCWD, b->state_dir, err)) < 0 ||
        (r = run_dir_remove(b->run_dir, err)) < 0 ||
        (r = path_mkdirs(layout_vm_dir(), 0700, err)) < 0 ||
        (r = path_mkdirs(b->state_dir, 0700, err)) < 0 ||
        (r = path_mkdirs(b->run_dir, 0700, err)) < 0)
        return r;
    owner = path_join(b->run_dir, CLI_OWNER_FILE);
    return path_replace(AT_FDCWD, owner, b->state_dir, strlen(b->state_dir), 0600, err);
}

/* The monitor ends after its answer, and with it the VM: only then nobody writes there any more. */
static int await_end(const struct creation *c, struct builder *b, char **ret_key, struct err *err)
{
    uint64_t deadline =
        deadline_in_ms((uint32_t)(c->choice.decision.boot_timeout_s * 1000) + BUILD_MARGIN_MS);
    struct ipc_reply reply = {0};
    int r = interrupt_wait(&c->interrupt, b->sock, deadline, err);

    if (r == 0)
        r = ipc_wait(b->sock, SEQ_BUILD, deadline, &reply, err);
    if (r == 0 && proc_wait_gone(b->monitor.pidfd, deadline_left_ms(deadline)) < 0)
        r = err_set(err, ETIMEDOUT, "the monitor of the template does not end");
    if (r == 0)
        *ret_key = xstrndup((const char *)reply.body, reply.body_len);
    ipc_reply_done(&reply);
    return r;
}

static int build(struct creation *c, const struct kvs *facts, struct err *err)
{
    cleanup_call(builder_done) struct builder b = {.c = c, .sock = -1, .monitor = {0, -1}};
    struct template_limits limits = limits_of(c);
    cleanup_free char *dir = NULL, *key = NULL, *id = xasprintf("template-%s", c->template.name);
    int r;

    (void)template_sweep(c->choice.config.templates.dir, &limits, c->template.name);
    if ((r = check_room(&c->template, err)) < 0 || (r = make_dirs(&b, err)) < 0 ||
        (r = template_begin(&c->template, &dir, err)) < 0 ||
        (c->nics.n &&
         (r = network_prepare_alone(c->choice.decision.size.vcpus, &b.nics, err)) < 0) ||
        (r = sandbox_spawn(c->cli, b.state_dir, &b.sock, &b.monitor, err)) < 0)
        return r;
    const struct sandbox_place place = {id, b.state_dir, b.run_dir, IPC_TEMPLATE_BUILD, dir, ""};

    if ((r = sandbox_send(c, &place, &b.nics, b.sock, SEQ_BUILD, err)) < 0 ||
        (r = await_end(c, &b, &key, err)) < 0)
        return r;
    b.ended = true;
    return template_publish(&c->template, facts, key, err);
}

static int await_clone(const struct creation *c, const struct builder *b, struct err *err)
{
    uint64_t deadline =
        deadline_in_ms((uint32_t)(c->choice.decision.boot_timeout_s * 1000) + BUILD_MARGIN_MS);
    int r = interrupt_wait(&c->interrupt, b->sock, deadline, err);

    return r < 0 ? r : ipc_wait(b->sock, SEQ_BUILD, deadline, NULL, err);
}

int from_template_try(struct creation *c, struct err *err)
{
    cleanup_call(builder_done) struct builder b = {.c = c, .sock = -1, .monitor = {0, -1}};
    cleanup_free char *live = template_live(&c->template);
    cleanup_free char *id = xasprintf("template-%s", c->template.name);
    int r;

    if ((r = make_dirs(&b, err)) < 0 ||
        (r = sandbox_spawn(c->cli, b.state_dir, &b.sock, &b.monitor, err)) < 0)
        return r;
    const struct sandbox_place place = {id,   b.state_dir,    b.run_dir, IPC_TEMPLATE_CLONE,
                                        live, c->template.key};

    if ((r = sandbox_send(c, &place, &c->nics, b.sock, SEQ_BUILD, err)) < 0)
        return r;
    r = await_clone(c, &b, err);
    if (r < 0 && r != -EINTR)
        template_fail(&c->template, err->msg, false);
    return r;
}

/* With the lock: it may have been made while we waited for it. */
static int make(struct creation *c, const struct kvs *facts, struct err *err)
{
    struct template_limits limits = limits_of(c);
    uint64_t begin = now_ns();
    int r;

    if (template_look(&c->template, &limits) == TEMPLATE_READY)
        return 0;
    r = build(c, facts, err);
    if (r == 0)
        log_info("made template '%s' in %" PRIu64 " ms", c->template.name,
                 (now_ns() - begin) / 1000000);
    else if (r != -EINTR)
        template_fail(&c->template, err->msg, r == -ENOTSUP);
    return r;
}

static int find(struct creation *c, const struct kvs *facts, struct err *err)
{
    uint64_t deadline = deadline_in_ms((uint32_t)(c->choice.decision.boot_timeout_s * 1000));
    struct template_limits limits = limits_of(c);
    struct template *t = &c->template;
    int r = template_open(c->choice.config.templates.dir, facts, LOCK_SH, deadline, t, err);

    for (int tries = 0; r == 0 && tries < 2; tries++) {
        enum template_state state = template_look(t, &limits);

        if (state == TEMPLATE_READY)
            return 1;
        if (state == TEMPLATE_FAILED)
            return err_set(err, EAGAIN, "it has failed before: %s", t->reason ? t->reason : "?");
        if ((r = template_relock(t, LOCK_EX, deadline, err)) < 0 || (r = make(c, facts, err)) < 0)
            return r;
        r = template_relock(t, LOCK_SH, deadline, err);
    }
    return r < 0 ? r : err_set(err, EAGAIN, "others remove it as soon as it is made");
}

int from_template_find(struct creation *c, struct err *err)
{
    cleanup_call(kvs_done) struct kvs facts = {0};
    int r;

    if (!c->choice.decision.template_scope)
        return 0;
    if (c->disks.n && !c->disks.later) {
        err_set(
            err, ENOTSUP,
            "it is a pod's with disks, or the back-end cannot plug its disks into one that runs");
        return 0;
    }
    from_template_facts(c, &facts);
    r = find(c, &facts, err);
    if (r <= 0)
        template_close(&c->template);
    return r > 0 ? 1 : r == -EINTR ? r : 0;
}

/* Other clones of it that are on their way finish first, or fail by themselves. */
static void drop(struct creation *c, const char *reason)
{
    struct template_limits limits = limits_of(c);
    uint64_t made = c->template.made;

    if (template_relock(&c->template, LOCK_EX, deadline_in_ms(FAILED_LOCK_MS), NULL) < 0)
        return;
    (void)template_look(&c->template, &limits);
    if (c->template.made == made)
        template_fail(&c->template, reason, false);
}

void from_template_done(struct creation *c, const struct err *failure)
{
    if (failure)
        drop(c, failure->msg);
    else
        template_used(&c->template);
    template_close(&c->template);
    c->cloning = false;
}
