/* SPDX-License-Identifier: Apache-2.0 */
/* The members of a pool as directories. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/timing.h"
#include "cli/creation/from_template.h"
#include "cli/lifecycle.h"
#include "cli/pool/pool.h"

#define FACTS_MAX (256u << 10)

void pool_open(const struct cli *cli, struct pool *ret)
{
    ret->dir = path_join(cli->root, POOL_DIR);
    ret->cli = *cli;
    ret->cli.root = ret->dir;
    ret->cli.systemd_cgroup = false;
}

void pool_close(struct pool *p)
{
    free(p->dir);
    p->dir = NULL;
}

const char *pool_state_name(enum pool_state s)
{
    static const char *const names[] = {
        [POOL_READY] = "ready", [POOL_BUSY] = "busy", [POOL_EXPIRED] = "expired",
        [POOL_STALE] = "stale", [POOL_DEAD] = "dead",
    };

    return (size_t)s < ARRAY_SIZE(names) ? names[s] : "unknown";
}

void pool_member_close(struct pool_member *m)
{
    container_close(&m->c);
    kvs_done(&m->facts);
    free(m->name);
    *m = (struct pool_member)POOL_MEMBER_INIT;
}

static void read_facts(struct pool_member *m)
{
    cleanup_free char *text = NULL;
    struct stat st;

    if (fstatat(m->c.dir.fd, POOL_FACTS, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        path_read(m->c.dir.fd, POOL_FACTS, FACTS_MAX, &text, NULL, NULL) < 0)
        return;
    template_facts_parse(text, &m->facts);
    m->made = (uint64_t)st.st_mtim.tv_sec;
}

int pool_member_open(const struct pool *p, const char *name, bool lock, struct pool_member *ret,
                     struct err *err)
{
    cleanup_call(pool_member_close) struct pool_member m = POOL_MEMBER_INIT;
    int r;

    if ((r = state_dir_open(p->dir, name, &m.c.dir, err)) < 0 ||
        (lock && (r = state_dir_lock(&m.c.dir, 0, err)) < 0))
        return r;
    (void)state_read(&m.c.dir, &m.c.state, NULL); /* without one it is dead */
    read_facts(&m);
    m.name = xstrdup(name);
    *ret = m;
    m = (struct pool_member)POOL_MEMBER_INIT;
    return 0;
}

static bool maker_lives(const struct state *s)
{
    return s->creator.pid && proc_alive(&s->creator);
}

static bool monitor_lives(const struct pool_member *m)
{
    struct proc_id monitor;

    return state_monitor_read(m->c.dir.fd, &monitor, NULL) == 0 && proc_alive(&monitor);
}

static const struct config_pool *pool_of(const struct config *config, const char *cls)
{
    for (size_t i = 0; cls && i < config->n_classes; i++)
        if (strcmp(config->classes[i].name, cls) == 0)
            return &config->classes[i].pool;
    return &config->pool;
}

static uint64_t max_age(const struct config *config, const char *cls)
{
    uint64_t age = pool_of(config, cls)->max_age_s;

    return age == CONFIG_UNSET ? config->pool.max_age_s : age;
}

static bool same_configuration(const struct kvs *facts, const struct config *config)
{
    cleanup_call(kvs_done) struct kvs now = {0};

    choice_config_facts(config, &now);
    for (size_t i = 0; i < now.n; i++) {
        const char *then = kvs_get(facts, now.v[i].key);

        if (!then || strcmp(then, now.v[i].value) != 0)
            return false;
    }
    return true;
}

enum pool_state pool_member_look(const struct pool_member *m, const struct config *config)
{
    uint64_t now = realtime_s();

    if (!m->made || m->c.state.creator.pid)
        return maker_lives(&m->c.state) ? POOL_BUSY : POOL_DEAD;
    if (!monitor_lives(m))
        return POOL_DEAD;
    if (!same_configuration(&m->facts, config) || !template_facts_hold(&m->facts))
        return POOL_STALE;
    /* A clock that was set back makes nothing younger. */
    return now >= m->made && now - m->made <= max_age(config, m->c.state.class_name) ? POOL_READY
                                                                                     : POOL_EXPIRED;
}

int pool_member_drop(const struct pool *p, struct pool_member *m, struct err *err)
{
    if (!m->c.state.id)
        damaged_recover(&p->cli, m->name, &m->c);
    return container_clean(&p->cli, &m->c, m->name, true, err);
}

void pool_facts(const struct creation *c, struct kvs *ret)
{
    const struct decision *d = &c->choice.decision;
    cleanup_free char *msize = xasprintf("%" PRIu64, d->storage.msize);

    from_template_facts(c, ret);
    template_fact(ret, "class", d->cls);
    template_fact(ret, "msize", msize);
    template_fact(ret, "cache", d->storage.cache);
    for (size_t i = 0; i < c->choice.files.n; i++)
        template_fact(ret, c->choice.files.v[i].key, c->choice.files.v[i].value);
}

size_t pool_count(const struct pool *p, const struct creation *c, bool old, struct strv *ret_others)
{
    cleanup_call(strv_done) struct strv names = {0};
    char wanted[TEMPLATE_NAME], has[TEMPLATE_NAME];
    size_t n = 0;

    template_name(&c->pool_facts, wanted);
    (void)state_list(p->dir, &names, NULL);
    for (size_t i = 0; i < names.n; i++) {
        cleanup_call(pool_member_close) struct pool_member m = POOL_MEMBER_INIT;
        enum pool_state state;
        const char *cls;

        if (pool_member_open(p, names.v[i], false, &m, NULL) < 0)
            continue;
        state = pool_member_look(&m, &c->choice.config);
        if (state != POOL_READY && !(old && state == POOL_EXPIRED))
            continue;
        cls = kvs_get(&m.facts, "class");
        template_name(&m.facts, has);
        if (strcmp(has, wanted) == 0)
            n++;
        else if (ret_others && cls && strcmp(cls, c->choice.decision.cls) == 0)
            strv_add(ret_others, names.v[i]);
    }
    return n;
}

/* Locked only once there is a reason: who wants to take one passes over those that are locked. */
static bool sweep_one(const struct pool *p, const char *name, const struct config *config)
{
    struct err err = ERR_INIT;

    for (int locked = 0; locked <= 1; locked++) {
        cleanup_call(pool_member_close) struct pool_member m = POOL_MEMBER_INIT;
        enum pool_state state;

        if (pool_member_open(p, name, locked, &m, NULL) < 0)
            return false;
        state = pool_member_look(&m, config);
        if (state == POOL_READY || state == POOL_BUSY)
            return false;
        if (locked && pool_member_drop(p, &m, &err) == 0)
            return true;
    }
    log_warn("remove '%s' of the pool: %s, ignoring", name, err.msg);
    return false;
}

unsigned pool_sweep(const struct cli *cli, const struct config *config)
{
    cleanup_call(pool_close) struct pool p = {.dir = NULL};
    cleanup_call(strv_done) struct strv names = {0};
    unsigned gone = 0;

    pool_open(cli, &p);
    (void)state_list(p.dir, &names, NULL);
    for (size_t i = 0; i < names.n; i++)
        gone += sweep_one(&p, names.v[i], config);
    (void)rmdir(p.dir);
    return gone;
}
