/* SPDX-License-Identifier: Apache-2.0 */
/* The words of `vm` that core hands on unread: machine, cpu_model, options. Plug-ins judge them. */
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "cli/check/config_check.h"
#include "cli/creation/choice.h"
#include "plugin/plugin.h"

#define WORDS_MS 10000

/* What all VMs of a class have, or those of none: the class's words on top of the defaults'. */
struct words {
    const struct strv *hypervisors;
    struct hvp_vm_spec spec;
    struct kvs options;
    struct hvp_kv *kv; /* the same for the plug-in */
};

static void words_done(struct words *w)
{
    kvs_done(&w->options);
    free(w->kv);
}

static const char *text(const char *own, const char *general)
{
    return own ? own : general ? general : "";
}

static void add_options(struct kvs *to, const struct kvs *from)
{
    for (size_t i = 0; i < from->n; i++)
        kvs_set(to, from->v[i].key, from->v[i].value);
}

/* cls NULL: the defaults. */
static void words_of(const struct config *c, const struct config_class *cls, struct words *w)
{
    static const struct config_vm none;
    const struct config_vm *own = cls ? &cls->vm : &none;

    add_options(&w->options, &c->vm.options);
    add_options(&w->options, &own->options);
    w->kv = xcalloc(w->options.n + 1, sizeof(*w->kv));
    for (size_t i = 0; i < w->options.n; i++)
        w->kv[i] = (struct hvp_kv){w->options.v[i].key, w->options.v[i].value};
    w->spec = (struct hvp_vm_spec){.struct_size = sizeof(w->spec),
                                   .machine = text(own->machine, c->vm.machine),
                                   .cpu_model = text(own->cpu_model, c->vm.cpu_model),
                                   .options = w->kv,
                                   .n_options = w->options.n};
    w->spec.id = w->spec.uuid = w->spec.kernel = w->spec.initrd = w->spec.cmdline = "";
    w->spec.run_dir = w->spec.console_log = w->spec.template_dir = "";
    w->hypervisors = cls && cls->hypervisor.n > 0 ? &cls->hypervisor : &c->hypervisor;
}

/* Whether they differ from those that were asked about with the defaults. */
static bool says_something(const struct config_class *cls)
{
    return !cls || cls->hypervisor.n > 0 || cls->vm.machine || cls->vm.cpu_model ||
           cls->vm.options.n > 0;
}

static char *where(const struct config *c, const struct config_class *cls)
{
    const char *place = kvs_get(&c->places, "defaults.vm.machine");

    if (cls)
        return xasprintf("%s:%u:%u: class '%s'", cls->file, cls->line, cls->column, cls->name);
    if (!place)
        place = kvs_get(&c->places, "defaults.vm.cpu_model");
    if (!place)
        place = kvs_get(&c->places, "defaults.vm.options");
    return xasprintf("%s: defaults.vm", place ? place : c->file ? c->file : "defaults");
}

static void ask(const struct cli *cli, const struct words *w, const struct descriptor *d,
                const char *of, struct strv *problems)
{
    cleanup_free char *guest_dir = NULL;
    struct err err = ERR_INIT;
    struct hvp_host host;

    choice_host(cli, d->arch, &host, &guest_dir);
    if (plugin_words_isolated(d, &host, &w->spec, WORDS_MS, &err) < 0)
        strv_addf(problems, "%s: %s", of, err.msg);
}

/* One that cannot be opened was told already. */
void config_check_words(const struct cli *cli, const struct config *c,
                        const struct descriptor_list *l, char *const *why_not,
                        struct strv *problems)
{
    for (size_t k = 0; k <= c->n_classes; k++) {
        const struct config_class *cls = k > 0 ? &c->classes[k - 1] : NULL;
        cleanup_call(words_done) struct words w = {0};
        cleanup_free char *of = where(c, cls);

        words_of(c, cls, &w);
        if (!says_something(cls))
            continue;
        for (size_t i = 0; i < w.hypervisors->n; i++) {
            const struct descriptor *d = descriptor_find(l, w.hypervisors->v[i]);

            if (d && !why_not[d - l->v])
                ask(cli, &w, d, of, problems);
        }
    }
}
