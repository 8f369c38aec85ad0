/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/creation/preview.h"
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include "base/cleanup.h"
#include "cli/creation/planning.h"
#include "cli/creation/pod.h"

static void planned_done(struct planned *d)
{
    plan_container_done(&d->plan);
    plan_shares_done(&d->shares);
    boot_files_done(&d->boot);
}

static int make_plan(struct preview *p, struct planned *ret, struct err *err)
{
    const struct decision *d = &p->choice->decision;
    const struct state *of = p->owner ? &p->owner->state : NULL;
    cleanup_free char *modules = disks_modules(p->disks);
    struct pod pod = {p->cli, p->owner};
    struct plan_input in;
    int r;

    if (!of)
        choice_boot_files(p->cli, p->choice, modules, &ret->boot);
    planning_input(p->id, of ? of->arch : p->choice->back_end->arch,
                   of ? of->vm_vcpus : d->size.vcpus, &in);
    if (of) {
        in.sandbox = of->id;
        in.resolve_ns = pod_resolve_ns;
        in.ctx = &pod;
    }
    in.disks = p->disks->uses;
    in.n_disks = p->disks->n_uses;
    in.nfs = p->disks->nfs;
    in.n_nfs = p->disks->n_nfs;
    planning_tmp(&d->storage.tmp, of ? of->vm_memory : d->size.memory, p->spec);
    r = plan_build(p->spec, &in, &ret->plan, &ret->shares, err);
    return r < 0 ? err_in_phase(err, PHASE_CONFIG) : 0;
}

/* What is behind a name in the share: a path of the host. */
static const char *behind(const struct plan_shares *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (name && strcmp(s->v[i].name, name) == 0)
            return s->v[i].host_path;
    return name;
}

const char *preview_kind(const struct plan_mount *m)
{
    static const char *const kinds[] = {
        [PLAN_M_SHARE] = "share", [PLAN_M_BIND] = "bind",      [PLAN_M_SHM] = "shared tmpfs",
        [PLAN_M_DISK] = "disk",   [PLAN_M_CGROUP] = "cgroup2",
    };

    if (m->kind == PLAN_M_FS || m->kind >= ARRAY_SIZE(kinds) || !kinds[m->kind])
        return m->type ? m->type : "none";
    return kinds[m->kind];
}

char *preview_options(const struct plan_mount *m)
{
    static const struct {
        uint64_t flag;
        const char *word;
    } words[] = {{MS_NOSUID, ",nosuid"}, {MS_NODEV, ",nodev"}, {MS_NOEXEC, ",noexec"}};
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    if (!f)
        return xstrdup("");
    fputs(m->ms_flags & MS_RDONLY ? "ro" : "rw", f);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (m->ms_flags & words[i].flag)
            fputs(words[i].word, f);
    if (m->data && *m->data)
        fprintf(f, ",%s", m->data);
    fclose(f);
    return text;
}

struct plan_mount preview_root(const struct plan_container *c)
{
    return (struct plan_mount){
        .kind = c->rootfs ? PLAN_M_SHARE : PLAN_M_DISK,
        .dest = (char *)"/",
        .source = c->rootfs ? c->rootfs : c->root.disk,
        .ms_flags = c->flags & PLAN_C_READONLY ? MS_RDONLY : 0,
    };
}

const char *preview_source(const struct plan_shares *s, const struct plan_mount *m)
{
    return m->kind == PLAN_M_SHARE ? behind(s, m->source) : m->source;
}

static void print_mount(FILE *f, const struct planned *d, const struct plan_mount *m)
{
    cleanup_free char *options = preview_options(m);
    const char *source = preview_source(&d->shares, m);

    fprintf(f, "  %-24s %-12s %s%s%s\n", m->dest, preview_kind(m), options, source ? "  " : "",
            source ? source : "");
}

static const char *kernel_words(const char *kind)
{
    if (strcmp(kind, "small") == 0)
        return "the small one, everything built in";
    return strcmp(kind, "configured") == 0 ? "as configured" : "the distribution's";
}

static void print_vm(FILE *f, const struct preview *p, const struct planned *d)
{
    const struct decision *c = &p->choice->decision;

    fprintf(f, "kernel:      %s (%s)\nimage:       %s\narguments:   %s\n", d->boot.kernel,
            kernel_words(d->boot.kind), d->boot.image, d->boot.cmdline);
    if (c->machine)
        fprintf(f, "machine:     %s\n", c->machine);
    if (c->cpu_model)
        fprintf(f, "cpu model:   %s\n", c->cpu_model);
    for (size_t i = 0; i < c->vm_options.n; i++)
        fprintf(f, "option:      %s=%s\n", c->vm_options.v[i].key, c->vm_options.v[i].value);
    fprintf(f, "share:       9p, msize %" PRIu64 ", cache %s%s%s\n", c->storage.msize,
            c->storage.cache, c->storage.security_model ? ", security model " : "",
            c->storage.security_model ? c->storage.security_model : "");
}

static void print_disk(FILE *f, const struct disk *disk)
{
    fprintf(f, "disk:        %s %s %s\n", disk->ipc.tag,
            disk->ipc.flags & HVP_F_READONLY ? "ro" : "rw",
            disk->source ? disk->source : "(empty, made for it)");
}

static void print_plan(FILE *f, const struct preview *p, const struct planned *d)
{
    const struct plan_mount root = preview_root(&d->plan);

    if (!p->owner)
        print_vm(f, p, d);
    for (size_t i = 0; i < p->disks->why.n; i++)
        fprintf(f, "files:       %s\n", p->disks->why.v[i]);
    for (size_t i = 0; i < p->disks->n; i++)
        print_disk(f, &p->disks->v[i]);
    fprintf(f, "mounts:\n");
    print_mount(f, d, &root);
    for (size_t i = 0; i < d->plan.n_mounts; i++)
        print_mount(f, d, &d->plan.mounts[i]);
    for (size_t i = 0; i < d->shares.warnings.n; i++)
        fprintf(f, "warning:     %s\n", d->shares.warnings.v[i]);
}

static char *in_words(const struct preview *p, const struct planned *d)
{
    cleanup_free char *decision = decision_explain_text(&p->choice->decision);
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    if (!f)
        return xstrdup(decision);
    if (p->owner)
        fprintf(f, "joins:       the VM of container '%s' (class %s, hypervisor %s)\n",
                p->owner->state.id, p->owner->state.class_name, p->owner->state.descriptor);
    else
        fputs(decision, f);
    if (d)
        print_plan(f, p, d);
    fclose(f);
    return text;
}

int preview_print(struct preview *p, struct err *err)
{
    cleanup_call(planned_done) struct planned planned = {.plan = {0}};
    struct err plan_err = ERR_INIT, print_err = ERR_INIT;
    cleanup_free char *text = NULL;
    int r = p->failure ? 0 : make_plan(p, &planned, &plan_err), printed;

    if (r < 0)
        p->failure = plan_err.msg;
    text = p->json ? preview_json(p, p->failure ? NULL : &planned)
                   : in_words(p, p->failure ? NULL : &planned);
    printed = cli_print(text, &print_err);
    if (r < 0 || printed < 0)
        *err = r < 0 ? plan_err : print_err;
    return r < 0 ? r : printed;
}
