/* SPDX-License-Identifier: Apache-2.0 */
/* The decision: class, storage, size, and for each hypervisor why it is or is not the one. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "policy/internal.h"

struct job {
    const struct config *config;
    const struct config_class *cls; /* NULL = defaults */
    const struct workload *w;
    const struct policy_candidate *candidates;
    size_t n;
    struct decision *d;
    struct err *err;
};

void decision_done(struct decision *d)
{
    free(d->cls);
    free(d->rule);
    free(d->rootfs_storage);
    free(d->volume_storage);
    for (size_t i = 0; i < d->n_options; i++) {
        free(d->options[i].name);
        free(d->options[i].reason);
    }
    free(d->options);
    free(d->size.vcpus_why);
    free(d->size.memory_why);
    free(d->size.vcpus_max_why);
    free(d->size.memory_max_why);
    free(d->kernel);
    free(d->image);
    free(d->kernel_args);
    free(d->machine);
    free(d->cpu_model);
    free(d->template_scope);
    free(d->template_why);
    free(d->pool_why);
    kvs_done(&d->vm_options);
    kvs_done(&d->granted);
    strv_done(&d->notes);
    memset(d, 0, sizeof(*d));
    d->chosen = -1;
}

static void name_rule(struct job *j, int index)
{
    const char *file = j->config->file ? j->config->file : "built-in defaults";
    const char *by = j->w->chosen ? "--class: " : "";

    if (j->cls) {
        j->d->cls = xstrdup(j->cls->name);
        j->d->rule = xasprintf("%sclasses[%d] '%s' (%s:%u)", by, index, j->cls->name, j->cls->file,
                               j->cls->line);
    } else {
        j->d->cls = xstrdup(POLICY_CLASS_DEFAULT);
        j->d->rule =
            xasprintf("%s: defaults (%s)", j->w->chosen ? "--class" : "no class matched", file);
    }
}

/* The word that explain shows; which one counts for a source is decided source by source. */
static void choose_storages(struct job *j)
{
    j->d->rootfs_storage = xstrdup(j->d->storage.rootfs->v[0]);
    j->d->volume_storage = xstrdup(j->d->storage.volumes->v[0]);
}

/* The path or text of the class, else of the defaults. */
static char *either(const char *of_class, const char *of_defaults)
{
    return xstrdup(of_class ? of_class : of_defaults);
}

static void add_options(const struct kvs *from, struct kvs *to)
{
    for (size_t i = 0; i < from->n; i++)
        if (!kvs_get(to, from->v[i].key))
            kvs_add(to, from->v[i].key, from->v[i].value);
}

/* The workload's words come last: the kernel takes the last one of a name. */
static void take_kernel_args(struct job *j, const char *own)
{
    const char *wish = kvs_get(&j->d->granted, POLICY_ANNOTATION_KERNEL_ARGS);

    if (own && wish)
        j->d->kernel_args = xasprintf("%s %s", own, wish);
    else
        j->d->kernel_args = xstrdup(own ? own : wish);
}

static void take_assets(struct job *j)
{
    const struct config_vm *c = j->cls ? &j->cls->vm : &j->config->vm, *d = &j->config->vm;

    j->d->kernel = either(c->kernel, d->kernel);
    j->d->image = either(c->image, d->image);
    take_kernel_args(j, c->kernel_args ? c->kernel_args : d->kernel_args);
    j->d->machine = either(c->machine, d->machine);
    j->d->cpu_model = either(c->cpu_model, d->cpu_model);
    j->d->attach = j->cls && j->cls->attach.n ? &j->cls->attach : &j->config->attach;
    j->d->boot_timeout_s = j->config->boot_timeout_s;
    /* The first one of a key counts. */
    add_options(&c->options, &j->d->vm_options);
    add_options(&d->options, &j->d->vm_options);
}

/* A tenant is a namespace of pods: who has none is nobody's, and shares with nobody. */
static void take_template(struct job *j)
{
    const char *word = j->cls && j->cls->template ? j->cls->template : j->config->template;
    const char *tenant = j->w->pod_namespace;

    if (strcmp(word, "shared") == 0) {
        j->d->template_scope = xstrdup("shared");
        j->d->template_why = xstrdup("cloned from a template that all may share");
    } else if (strcmp(word, "off") == 0) {
        j->d->template_why = xstrdup("off: the VM boots");
    } else if (tenant && *tenant) {
        j->d->template_scope = xasprintf("tenant %s", tenant);
        j->d->template_why = xasprintf("cloned from a template of pod namespace '%s'", tenant);
    } else {
        j->d->template_why = xstrdup("none: the workload has no pod namespace, so no tenant is "
                                     "known; the VM boots");
    }
}

static uint64_t number_of(uint64_t of_class, uint64_t of_defaults)
{
    return of_class == CONFIG_UNSET ? of_defaults : of_class;
}

static void take_pool(struct job *j)
{
    const struct config_pool *d = &j->config->pool, *c = j->cls ? &j->cls->pool : d;
    struct config_pool *p = &j->d->pool;

    p->size = number_of(c->size, d->size);
    p->min_free = MIN(number_of(c->min_free, d->min_free), p->size);
    p->max_age_s = number_of(c->max_age_s, d->max_age_s);
    if (p->size == 0)
        j->d->pool_why = xstrdup("off: no VM waits for it");
    else if (p->min_free == 0)
        j->d->pool_why = xasprintf("a VM that waits for it if there is one; up to %" PRIu64
                                   ", made by 'anyvisor pool fill' alone",
                                   p->size);
    else
        j->d->pool_why = xasprintf("a VM that waits for it if there is one; up to %" PRIu64
                                   ", made when fewer than %" PRIu64 " are left",
                                   p->size, p->min_free);
}

static struct config_sized sized(const struct config_sized *of_class,
                                 const struct config_sized *of_defaults)
{
    return (struct config_sized){
        of_class->kind ? of_class->kind : of_defaults->kind,
        of_class->size == CONFIG_UNSET ? of_defaults->size : of_class->size,
    };
}

static void take_storage(struct job *j)
{
    const struct config_storage *d = &j->config->storage, *c = j->cls ? &j->cls->storage : d;

    j->d->storage.images = c->images.n ? &c->images : &d->images;
    j->d->storage.rootfs = c->rootfs.n ? &c->rootfs : &d->rootfs;
    j->d->storage.volumes = c->volumes.n ? &c->volumes : &d->volumes;
    j->d->storage.msize = c->share.msize == CONFIG_UNSET ? d->share.msize : c->share.msize;
    j->d->storage.cache = c->share.cache ? c->share.cache : d->share.cache;
    j->d->storage.security_model =
        c->share.security_model ? c->share.security_model : d->share.security_model;
    j->d->storage.tmp = sized(&c->tmp, &d->tmp);
    j->d->storage.scratch = sized(&c->scratch, &d->scratch);
    j->d->storage.extra = j->cls ? j->cls->volumes : NULL;
    j->d->storage.n_extra = j->cls ? j->cls->n_volumes : 0;
}

/* Why this back-end cannot carry the workload; NULL = it can. Malloc'ed. */
static char *objection(const struct job *j, const struct policy_candidate *c)
{
    const struct policy_size *size = &j->d->size;

    if (j->w->arch && c->arch && strcmp(j->w->arch, c->arch) != 0)
        return xasprintf("its guests are %s, the workload is %s", c->arch, j->w->arch);
    if (!c->usable)
        return xasprintf("not usable: %s", c->reason ? c->reason : "no reason given");
    if (!c->has_9p)
        return xstrdup("cannot share a directory over 9p, which storage 9pfs needs");
    if (c->memory_max && size->memory > c->memory_max)
        return xasprintf("can give %" PRIu64 " MiB of memory, the workload needs %" PRIu64 " MiB",
                         c->memory_max / MIB, size->memory / MIB);
    if (c->vcpus_max && size->vcpus > c->vcpus_max && !size->vcpus_auto)
        return xasprintf("can give %u vCPUs, the workload needs %u", c->vcpus_max, size->vcpus);
    return NULL;
}

static struct policy_option *add_option(struct job *j, const char *name,
                                        enum policy_verdict verdict, int candidate, char *reason)
{
    struct decision *d = j->d;

    d->options = xreallocarray(d->options, d->n_options + 1, sizeof(*d->options));
    d->options[d->n_options] = (struct policy_option){xstrdup(name), verdict, reason, candidate};
    return &d->options[d->n_options++];
}

static int find_candidate(const struct job *j, const char *name)
{
    for (size_t i = 0; i < j->n; i++)
        if (strcmp(j->candidates[i].name, name) == 0)
            return (int)i;
    return -1;
}

static void take_candidate(struct job *j, int index)
{
    const struct policy_candidate *c = &j->candidates[index];

    j->d->chosen = index;
    if (!c->vcpus_max)
        return;
    j->d->size.vcpus = MIN(j->d->size.vcpus, c->vcpus_max);
    j->d->size.vcpus_max = MIN(j->d->size.vcpus_max, c->vcpus_max);
}

static void judge(struct job *j, const char *name)
{
    int index = find_candidate(j, name);
    char *why;

    if (index < 0) {
        why = xasprintf("there is no descriptor of this name in %s", j->config->plugins_dir);
        add_option(j, name, POLICY_RULED_OUT, -1, why);
    } else if ((why = objection(j, &j->candidates[index]))) {
        add_option(j, name, POLICY_RULED_OUT, index, why);
    } else if (j->d->chosen >= 0) {
        why = xasprintf("'%s' comes before it", j->candidates[j->d->chosen].name);
        add_option(j, name, POLICY_SPARE, index, why);
    } else {
        const char *said = j->candidates[index].reason;

        take_candidate(j, index);
        add_option(j, name, POLICY_CHOSEN, index,
                   xstrdup(said ? said : "the first of the list that can do it"));
    }
}

static void judge_all(struct job *j, const struct strv *list)
{
    for (size_t i = 0; i < list->n; i++)
        judge(j, list->v[i]);
    for (size_t i = 0; i < j->n; i++)
        if (!strv_has(list, j->candidates[i].name))
            add_option(j, j->candidates[i].name, POLICY_UNLISTED, (int)i,
                       xasprintf("class '%s' does not list it", j->d->cls));
}

static int nothing_left(struct job *j)
{
    cleanup_free char *text = xstrdup("");

    for (size_t i = 0; i < j->d->n_options; i++) {
        const struct policy_option *o = &j->d->options[i];
        char *longer;

        if (o->verdict != POLICY_RULED_OUT)
            continue;
        longer = xasprintf("%s%s%s: %s", text, *text ? "; " : "", o->name, o->reason);
        free(text);
        text = longer;
    }
    return err_set_phase(j->err, PHASE_POLICY, ENODEV, "no hypervisor for class '%s': %s",
                         j->d->cls, text);
}

static void note_other_class(struct job *j)
{
    const char *asked = kvs_get(&j->w->annotations, POLICY_ANNOTATION_CLASS);

    if (asked && strcmp(asked, j->d->cls) != 0)
        strv_addf(&j->d->notes, "the workload asks for class '%s', %s decided", asked,
                  j->w->chosen ? "--class" : "an earlier rule");
}

static int decide(struct job *j, uint32_t host_cpus)
{
    int index, r;

    if ((r = policy_class(j->config, j->w, &index, j->err)) < 0)
        return r;
    j->cls = index >= 0 ? &j->config->classes[index] : NULL;
    name_rule(j, index);
    note_other_class(j);
    if ((r = policy_grant(j->config, j->cls, j->w, j->d, j->err)) < 0)
        return r;
    take_assets(j);
    take_storage(j);
    take_template(j);
    take_pool(j);
    choose_storages(j);
    if ((r = policy_size(j->config, j->cls, j->w, host_cpus, j->d, j->err)) < 0)
        return r;
    judge_all(j, policy_hypervisors(j->config, index));
    return j->d->chosen >= 0 ? 0 : nothing_left(j);
}

int policy_choose(const struct config *config, const struct workload *w,
                  const struct policy_candidate *candidates, size_t n, uint32_t host_cpus,
                  struct decision *ret, struct err *err)
{
    struct job j = {config, NULL, w, candidates, n, ret, err};

    memset(ret, 0, sizeof(*ret));
    ret->chosen = -1;
    return decide(&j, host_cpus);
}

int policy_storage(const struct config *config, const char *cls, const struct workload *w,
                   struct decision *ret, struct err *err)
{
    struct job j = {config, NULL, w, NULL, 0, ret, err};
    size_t i = 0;

    memset(ret, 0, sizeof(*ret));
    ret->chosen = -1;
    while (i < config->n_classes && strcmp(config->classes[i].name, cls) != 0)
        i++;
    if (i == config->n_classes && strcmp(cls, POLICY_CLASS_DEFAULT) != 0)
        return err_set_phase(err, PHASE_POLICY, ENOENT,
                             "class '%s', which the VM was given, is no more in the configuration",
                             cls);
    j.cls = i < config->n_classes ? &config->classes[i] : NULL;
    ret->cls = xstrdup(cls);
    take_storage(&j);
    return policy_grant(config, j.cls, w, ret, err);
}
