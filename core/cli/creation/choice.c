/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/creation/choice.h"
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>
#include <sys/utsname.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "hostmod/hostmod.h"
#include "template/template.h"

#define PROBE_MS 20000
#define CMDLINE "quiet panic=-1" /* of the guest's kernel */

const char *choice_host_arch(void)
{
    static struct utsname name;

    return name.machine[0] || uname(&name) == 0 ? name.machine : "unknown";
}

uint32_t choice_host_cpus(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
}

/*
 * Engines pass limits on that no host has, meaning none; a VM has to have its memory, at least by
 * promise. An eighth stays for the host itself.
 */
static void cap_memory(struct workload *w)
{
    uint64_t host = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

    w->memory_limit = MIN(w->memory_limit, host / 8 * 7);
}

void choice_config_facts(const struct config *config, struct kvs *ret)
{
    cleanup_free char *count = xasprintf("%zu", config->files.n);

    template_fact(ret, "configuration", count);
    for (size_t i = 0; i < config->files.n; i++) {
        cleanup_free char *name = xasprintf("configuration%zu", i);

        template_fact_file(ret, name, config->files.v[i]);
    }
}

int choice_load(const struct cli *cli, struct choice *ret, struct err *err)
{
    struct choice c = {0};
    int r = config_load_default(cli->config, cli->layout.etc_dir, &c.config, err);

    if (r == 0) {
        choice_config_facts(&c.config, &c.files);
        r = descriptor_load_dir(c.config.plugins_dir, cli->layout.backend_dir, &c.descriptors, err);
    }
    if (r < 0) {
        choice_done(&c);
        err_in_phase(err, PHASE_CONFIG);
        return r;
    }
    c.probed = xcalloc(c.descriptors.n + 1, sizeof(*c.probed));
    *ret = c;
    return 0;
}

void choice_done(struct choice *c)
{
    for (size_t i = 0; c->probed && i < c->descriptors.n; i++)
        free(c->probed[i].reason);
    free(c->probed);
    decision_done(&c->decision);
    workload_done(&c->workload);
    descriptor_list_done(&c->descriptors);
    kvs_done(&c->files);
    config_done(&c->config);
    *c = (struct choice){0};
}

void choice_host(const struct cli *cli, const char *arch, struct hvp_host *ret,
                 char **ret_guest_dir)
{
    plugin_host_init(ret);
    *ret_guest_dir = path_join(cli->layout.guest_dir, arch);
    ret->version = layout_version();
    ret->guest_dir = *ret_guest_dir;
    ret->cache_dir = access(layout_cache_dir(), W_OK) == 0 ? layout_cache_dir() : NULL;
}

/* What hostmod_ensure would find, without its doing. *ret_loadable: the first that it would load.
 */
static int look_at_modules(const struct descriptor *d, const char **ret_loadable, struct err *err)
{
    for (size_t i = 0; i < d->modules.n; i++) {
        const char *name = d->modules.v[i];
        enum hostmod_state state;
        int r = hostmod_state(name, &state, err);

        if (r < 0)
            return r;
        if (state == HOSTMOD_LOADABLE && !*ret_loadable)
            *ret_loadable = name;
        if (state < HOSTMOD_LOADABLE && !str_ends_with(name, "?"))
            return err_set_phase(err, PHASE_PLUGIN, ENOENT, "kernel module '%s' is %s", name,
                                 hostmod_state_name(state));
    }
    return 0;
}

static char *reason_of(const struct probed *p, const struct err *err, const char *loadable)
{
    const char *text = p->usable ? p->info.caps.note : err->msg;

    if (!loadable)
        return *text ? xstrdup(text) : NULL;
    return xasprintf("%s%skernel module '%s' is not loaded yet, a start would load it", text,
                     *text ? "; " : "", loadable);
}

void choice_probe(const struct cli *cli, struct choice *c, size_t i)
{
    const struct descriptor *d = &c->descriptors.v[i];
    struct probed *p = &c->probed[i];
    cleanup_free char *guest_dir = NULL;
    const char *loadable = NULL;
    struct err err = ERR_INIT;
    struct hvp_host host;
    int r;

    if (p->asked)
        return;
    p->asked = true;
    if (!c->look_only)
        (void)path_mkdirs(layout_cache_dir(), 0700, NULL);
    choice_host(cli, d->arch, &host, &guest_dir);
    r = plugin_host_fits(d, &err);
    if (r == 0)
        r = c->look_only ? look_at_modules(d, &loadable, &err)
                         : hostmod_ensure((const char *const *)d->modules.v, &err);
    if (r == 0)
        r = plugin_probe_isolated(d, &host, PROBE_MS, &p->info, &err);
    p->usable = r == 0;
    p->reason = reason_of(p, &err, loadable);
}

bool choice_makes_hostifs(const struct cli *cli, struct choice *c, const char *file)
{
    for (size_t i = 0; i < c->descriptors.n; i++) {
        if (strcmp(c->descriptors.v[i].file, file) != 0)
            continue;
        choice_probe(cli, c, i);
        return c->probed[i].usable && plugin_nics_hostif(&c->probed[i].info.caps);
    }
    return false;
}

/* What policy may know of descriptor i: an unprobed one counts as unusable, or as `trusted`. */
static struct policy_candidate candidate(const struct choice *c, size_t i, bool trusted)
{
    const struct descriptor *d = &c->descriptors.v[i];
    const struct probed *p = &c->probed[i];
    const struct hvp_caps *caps = &p->info.caps;

    if (!p->asked)
        return (struct policy_candidate){.name = d->name,
                                         .arch = d->arch,
                                         .usable = trusted,
                                         .reason = trusted ? NULL : "not asked",
                                         .has_9p = trusted,
                                         .can_pause = trusted,
                                         .can_stats = trusted};
    return (struct policy_candidate){
        .name = d->name,
        .arch = d->arch,
        .usable = p->usable,
        .reason = p->reason,
        .has_9p = p->usable && (caps->flags & HVP_CAP_SHARE_9P),
        .can_pause = p->usable && (caps->flags & HVP_CAP_PAUSE),
        .can_stats = p->usable && (caps->flags & HVP_CAP_STATS),
        .vcpus_max = p->usable ? caps->max_vcpus : 0,
        .memory_max = p->usable ? caps->max_memory : 0,
    };
}

static int choose(struct choice *c, ssize_t trusted, struct err *err)
{
    cleanup_free struct policy_candidate *v = xcalloc(c->descriptors.n + 1, sizeof(*v));
    int r;

    for (size_t i = 0; i < c->descriptors.n; i++)
        v[i] = candidate(c, i, (ssize_t)i == trusted);
    decision_done(&c->decision);
    r = policy_choose(&c->config, &c->workload, v, c->descriptors.n, choice_host_cpus(),
                      &c->decision, err);
    if (r == 0)
        c->back_end = &c->descriptors.v[c->decision.chosen];
    else
        err_in_phase(err, PHASE_POLICY);
    return r;
}

/* Index of the descriptor of that name that could carry the workload; -1 = none. */
static ssize_t fitting(const struct choice *c, const char *name)
{
    for (size_t i = 0; i < c->descriptors.n; i++)
        if (strcmp(c->descriptors.v[i].name, name) == 0 &&
            (!c->workload.arch || strcmp(c->descriptors.v[i].arch, c->workload.arch) == 0))
            return (ssize_t)i;
    return -1;
}

static int choose_by_asking(const struct cli *cli, struct choice *c, const struct strv *names,
                            bool all, struct err *err)
{
    int r = -1;

    for (size_t i = 0; i < names->n && (all || r < 0); i++) {
        ssize_t found = fitting(c, names->v[i]);

        if (found < 0)
            continue;
        choice_probe(cli, c, (size_t)found);
        if (!all)
            r = choose(c, -1, err);
    }
    return r == 0 ? 0 : choose(c, -1, err);
}

int choice_make(const struct cli *cli, struct choice *c, const struct oci_spec *spec, bool all,
                struct err *err)
{
    const struct strv *names;
    size_t fit = 0;
    ssize_t only = -1;
    int cls, r;

    workload_from_spec(spec, cli->runtime, choice_host_arch(), &c->workload);
    c->workload.chosen = xstrdup(cli->cls);
    cap_memory(&c->workload);
    if ((r = policy_class(&c->config, &c->workload, &cls, err)) < 0) {
        err_in_phase(err, PHASE_POLICY);
        return r;
    }
    names = policy_hypervisors(&c->config, cls);
    for (size_t i = 0; i < names->n; i++) {
        ssize_t found = fitting(c, names->v[i]);

        fit += found >= 0;
        only = found >= 0 ? found : only;
    }
    if (fit == 1 && !all)
        return choose(c, only, err);
    return choose_by_asking(cli, c, names, all, err);
}

int choice_member(const struct cli *cli, struct choice *c, const struct oci_spec *spec,
                  const char *cls, struct err *err)
{
    int r = choice_load(cli, c, err);

    if (r < 0)
        return r;
    workload_from_spec(spec, cli->runtime, choice_host_arch(), &c->workload);
    return policy_storage(&c->config, cls ? cls : POLICY_CLASS_DEFAULT, &c->workload, &c->decision,
                          err);
}

char *choice_small_dir(const char *guest_dir)
{
    cleanup_free char *dir = path_join(guest_dir, "small");
    cleanup_free char *kernel = path_join(dir, "vmlinux");
    cleanup_free char *image = path_join(dir, "initramfs.cpio");

    return access(kernel, R_OK) == 0 && access(image, R_OK) == 0 ? steal_ptr(&dir) : NULL;
}

static char *either(const char *own, const char *dir, const char *name)
{
    return own ? xstrdup(own) : path_join(dir, name);
}

void choice_boot_files(const struct cli *cli, const struct choice *c, const char *preload,
                       struct boot_files *ret)
{
    const struct decision *d = &c->decision;
    const char *driver = d->size.memory_max > d->size.memory ? "memory" : NULL;
    cleanup_free char *small = NULL;

    ret->guest_dir = path_join(cli->layout.guest_dir, c->back_end->arch);
    /* Not with one of the two from elsewhere: modules belong to their kernel. */
    if (!d->kernel && !d->image)
        small = choice_small_dir(ret->guest_dir);
    ret->kind = d->kernel ? "configured" : small ? "small" : "distribution";
    ret->kernel = either(d->kernel, small ? small : ret->guest_dir, "vmlinux");
    ret->image = either(d->image, small ? small : ret->guest_dir, "initramfs.cpio");
    ret->cmdline =
        xasprintf(CMDLINE "%s%s%s%s%s%s", preload || driver ? " anyvisor.preload=" : "",
                  preload ? preload : "", preload && driver ? "," : "", driver ? driver : "",
                  d->kernel_args ? " " : "", d->kernel_args ? d->kernel_args : "");
}

void boot_files_done(struct boot_files *b)
{
    free(b->guest_dir);
    free(b->kernel);
    free(b->image);
    free(b->cmdline);
    *b = (struct boot_files){0};
}
