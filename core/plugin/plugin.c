/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include "base/cleanup.h"
#include "base/str.h"
#include "plugin/internal.h"

/* The first word of each line of help is a key. */
static void keys_of_help(const char *help, struct strv *ret)
{
    while (*help) {
        size_t line = strcspn(help, "\n"), word = strcspn(help, " \t\n");
        cleanup_free char *key = xstrndup(help, word);

        if (*key)
            strv_add(ret, key);
        help += line;
        help += *help == '\n';
    }
}

/* The plug-in's own sentence comes first; we add where the key is and what it may have meant. */
static int refuse_key(const struct plugin *p, const struct descriptor_key *k, struct err *err)
{
    cleanup_call(strv_done) struct strv keys = {0};
    const char *near = NULL;
    size_t used;

    keys_of_help(p->so->ops.help, &keys);
    if (!strv_has(&keys, k->key))
        near = str_nearest(k->key, (const char *const *)keys.v, keys.n);
    if (err && near) {
        used = strlen(err->msg);
        snprintf(err->msg + used, sizeof(err->msg) - used, "; did you mean '%s'?", near);
    }
    if (!k->line)
        return err_wrap(err, "%s: config key '%s'", p->d->file, k->key);
    return err_wrap(err, "%s:%u:%u: config key '%s'", p->d->file, k->line, k->column, k->key);
}

static int configure(struct plugin *p, struct err *err)
{
    for (size_t i = 0; i < p->d->n_config; i++) {
        const struct descriptor_key *k = &p->d->config[i];
        int r;

        if (!p->so->ops.config)
            r = err_set_phase(err, PHASE_PLUGIN, EINVAL, "back-end '%s' has no keys", p->d->name);
        else
            r = PLUGIN_CALL(p, NULL, PHASE_PLUGIN, err, config, p->inst, k->key, k->value);
        if (r < 0)
            return refuse_key(p, k, err);
    }
    return 0;
}

static struct plugin *plugin_new(const struct descriptor *d, const struct hvp_host *host)
{
    struct plugin *p = xcalloc(1, sizeof(*p));
    struct utsname u;

    p->d = d;
    p->arch = xstrdup(d->arch && *d->arch ? d->arch : uname(&u) == 0 ? u.machine : "");
    memcpy(&p->host, host, MIN(host->struct_size, sizeof(p->host)));
    p->host.struct_size = sizeof(p->host);
    p->host.abi = HVP_ABI;
    p->host.instance = d->name;
    p->host.arch = p->arch;
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

static void plugin_close_p(struct plugin **p)
{
    plugin_close(*p);
}

int plugin_open(const struct descriptor *d, const struct hvp_host *host, struct plugin **ret,
                struct err *err)
{
    cleanup_call(plugin_close_p) struct plugin *p = plugin_new(d, host);
    void *inst = NULL;
    int r;

    if ((r = plugin_file_check("descriptor", d->file, err)) < 0 ||
        (r = plugin_file_check("plug-in", d->so, err)) < 0 ||
        (r = plugin_so_get(d->so, &p->so, err)) < 0)
        return err_wrap(err, "back-end '%s'", d->name);
    r = PLUGIN_CALL(p, NULL, PHASE_PLUGIN, err, load, &p->host, &inst);
    if (r < 0)
        return r;
    if (!inst)
        return err_set_phase(err, PHASE_PLUGIN, EPROTO, "back-end '%s': load gave no instance",
                             d->name);
    p->inst = inst;
    r = configure(p, err);
    if (r < 0)
        return r;
    *ret = steal_ptr(&p);
    return 0;
}

void plugin_close(struct plugin *p)
{
    if (!p)
        return;
    if (p->inst) {
        plugin_enter(p, NULL);
        p->so->ops.unload(p->inst);
        plugin_leave(p, NULL);
    }
    pthread_mutex_destroy(&p->lock);
    free(p->arch);
    free(p);
}

int plugin_probe(struct plugin *p, uint32_t timeout_ms, struct hvp_caps *ret, struct err *err)
{
    struct hvp_caps caps = {.struct_size = sizeof(caps)};
    int r = PLUGIN_CALL(p, NULL, PHASE_PLUGIN, err, probe, p->inst, &caps, timeout_ms);

    if (r < 0)
        return r;
    r = plugin_caps_check(p, &caps, err);
    if (r < 0)
        return r;
    p->caps = caps;
    p->probed = true;
    if (ret)
        *ret = caps;
    return 0;
}

const char *plugin_instance(const struct plugin *p)
{
    return p->d->name;
}

const struct hvp_plugin *plugin_ops(const struct plugin *p)
{
    return &p->so->ops;
}

const struct hvp_caps *plugin_caps(const struct plugin *p)
{
    return &p->caps;
}
