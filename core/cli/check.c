/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check/check.h"
#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "cli/inspect.h"
#include "hostmod/hostmod.h"

struct check_options {
    const char *format, *nova_conf;
    bool openstack, verbose;
};

static const struct option_row rows[] = {
    {"format", 'f', OPTION_TEXT, offsetof(struct check_options, format), "FORMAT", "text or json"},
    {"openstack", 0, OPTION_FLAG, offsetof(struct check_options, openstack), NULL,
     "what containers and nova-compute of this host do to each other, too"},
    {"nova-conf", 0, OPTION_TEXT, offsetof(struct check_options, nova_conf), "FILE",
     "nova's configuration for --openstack (" CHECK_NOVA_CONF ")"},
    {"verbose", 'v', OPTION_FLAG, offsetof(struct check_options, verbose), NULL,
     "each kernel feature, module and capability too"},
};

static const char *const level_names[] = {"ok", "warn", "FAIL"};

void finding_add(struct findings *f, enum finding_level level, const char *what, const char *fmt,
                 ...)
{
    char detail[4096]; /* a sentence; cut beyond that */
    va_list args;

    va_start(args, fmt);
    vsnprintf(detail, sizeof(detail), fmt, args);
    va_end(args);
    f->v = xreallocarray(f->v, f->n + 1, sizeof(*f->v));
    f->v[f->n++] = (struct finding){level, xstrdup(what), xstrdup(detail)};
}

void findings_done(struct findings *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->v[i].what);
        free(f->v[i].detail);
    }
    free(f->v);
    *f = (struct findings){0};
}

bool findings_good(const struct findings *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->v[i].level == FINDING_FAIL)
            return false;
    return true;
}

char *findings_text(const struct findings *f)
{
    char *text = xstrdup("");

    for (size_t i = 0; i < f->n; i++) {
        cleanup_free char *old = text;

        text = xasprintf("%s%-4s  %s: %s\n", old, level_names[f->v[i].level], f->v[i].what,
                         f->v[i].detail);
    }
    return text;
}

char *findings_json(const struct findings *f)
{
    json_object *root = json_object_new_object(), *list = json_object_new_array();
    char *text;

    json_object_object_add(root, "ok", json_object_new_boolean(findings_good(f)));
    json_object_object_add(root, "checks", list);
    for (size_t i = 0; i < f->n; i++) {
        json_object *o = json_object_new_object();

        json_object_object_add(o, "status", json_object_new_string(level_names[f->v[i].level]));
        json_object_object_add(o, "what", json_object_new_string(f->v[i].what));
        json_object_object_add(o, "detail", json_object_new_string(f->v[i].detail));
        json_object_array_add(list, o);
    }
    text = xstrdup(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY |
                                                            JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(root);
    return text;
}

/* Modules only tell why a probe went as it went: never a failure of their own. */
static void check_modules(const struct descriptor *d, struct findings *f)
{
    const struct strv *modules = &d->modules;

    for (size_t i = 0; i < modules->n; i++) {
        enum hostmod_state state = HOSTMOD_MISSING;
        struct err err = ERR_INIT;
        bool wanted = str_ends_with(modules->v[i], "?");
        bool good = hostmod_state(modules->v[i], &state, &err) == 0 && state >= HOSTMOD_UNKNOWN;

        if (good && !f->verbose)
            continue;
        finding_add(f, good ? FINDING_OK : FINDING_WARN, "module",
                    "'%s' is %s (%s by back-end '%s')", modules->v[i],
                    err.code ? err.msg : hostmod_state_name(state), wanted ? "wanted" : "needed",
                    d->name);
    }
}

static void check_probe(const struct descriptor *d, const struct probed *p, struct findings *f)
{
    const struct hvp_caps *c = &p->info.caps;

    if (!p->usable) {
        finding_add(f, FINDING_WARN, "back-end", "'%s' cannot be used: %s", d->name,
                    inspect_reason(d, p));
        return;
    }
    finding_add(f, FINDING_OK, "back-end", "'%s': %s %s, %s guests, accelerator %s%s%s", d->name,
                c->hypervisor, c->version, c->arch, c->accel, p->reason ? "; " : "",
                p->reason ? p->reason : "");
    if (f->verbose) {
        cleanup_free char *words = mask_words(c->flags, plugin_cap_name);

        finding_add(f, FINDING_OK, "back-end", "'%s' can: %s", d->name, words);
    }
}

/* What the build leaves in the folder of an architecture (guest/image). */
static bool image_complete(const char *dir, char **ret_missing)
{
    static const char *const files[] = {"vmlinux", "initramfs.cpio", "manifest.json"};

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        cleanup_free char *path = path_join(dir, files[i]);

        if (access(path, R_OK) < 0) {
            *ret_missing = steal_ptr(&path);
            return false;
        }
    }
    return true;
}

static void check_image(const struct cli *cli, const char *arch, bool needed, struct findings *f)
{
    cleanup_free char *dir = path_join(cli->layout.guest_dir, arch);
    cleanup_free char *missing = NULL, *small = choice_small_dir(dir), *package = xstrdup(arch);

    for (char *p = package; (p = strchr(p, '_'));) /* no package's name has that */
        *p = '-';
    if (image_complete(dir, &missing))
        finding_add(f, FINDING_OK, "guest image", "%s%s", dir,
                    small ? ", with the small kernel, which VMs get where none is configured" : "");
    else
        finding_add(f, needed ? FINDING_FAIL : FINDING_WARN, "guest image",
                    "'%s' is missing: install its package anyvisor-guest-%s, or build it with "
                    "`cmake --build BUILD --target guest-image-%s`",
                    missing, package, arch);
}

/* The first back-end of the default list that works is what a plain container gets; NULL = none. */
static const struct probed *default_back_end(const struct choice *c, const struct descriptor **ret)
{
    for (size_t i = 0; i < c->config.hypervisor.n; i++) {
        const struct descriptor *d = descriptor_find(&c->descriptors, c->config.hypervisor.v[i]);

        if (d && c->probed[d - c->descriptors.v].usable) {
            *ret = d;
            return &c->probed[d - c->descriptors.v];
        }
    }
    return NULL;
}

static void check_images(const struct cli *cli, const struct choice *c, const char *default_arch,
                         struct findings *f)
{
    cleanup_call(strv_done) struct strv archs = {0};
    const char *kernel = c->config.vm.kernel;

    if (kernel)
        finding_add(f, access(kernel, R_OK) == 0 ? FINDING_OK : FINDING_FAIL, "guest kernel",
                    "'%s', as configured", kernel);
    for (size_t i = 0; i < c->descriptors.n; i++) {
        const char *arch = c->descriptors.v[i].arch;

        if (strv_has(&archs, arch))
            continue;
        strv_add(&archs, arch);
        check_image(cli, arch, !kernel && default_arch && strcmp(arch, default_arch) == 0, f);
    }
}

static void check_back_ends(const struct cli *cli, struct choice *c, struct findings *f)
{
    const struct descriptor *d = NULL;
    const struct probed *p;

    for (size_t i = 0; i < c->descriptors.n; i++) {
        d = &c->descriptors.v[i];
        choice_probe(cli, c, i);
        check_modules(d, f);
        check_probe(d, &c->probed[i], f);
    }
    for (size_t i = 0; i < c->config.hypervisor.n; i++)
        if (!descriptor_find(&c->descriptors, c->config.hypervisor.v[i]))
            finding_add(f, FINDING_WARN, "configuration",
                        "hypervisor '%s' of the defaults has no descriptor in '%s'",
                        c->config.hypervisor.v[i], c->config.plugins_dir);
    p = default_back_end(c, &d);
    check_images(cli, c, p ? d->arch : NULL, f);
    if (p)
        finding_add(f, FINDING_OK, "default class", "containers run on '%s' (%s)", d->name,
                    p->info.caps.accel);
    else
        finding_add(f, FINDING_FAIL, "default class",
                    "no back-end of 'defaults.hypervisor' can be used on this host");
}

/* Everything that depends on the configuration. */
static void check_configured(const struct cli *cli, const struct check_options *o,
                             struct findings *f)
{
    cleanup_call(choice_done) struct choice c = {0};
    cleanup_call(strv_done) struct strv problems = {0};
    struct err err = ERR_INIT;

    if (inspect_load(cli, &c, &problems, &err) < 0) {
        finding_add(f, FINDING_FAIL, "configuration", "%s", err.msg);
        return;
    }
    finding_add(f, FINDING_OK, "configuration", "%s",
                c.config.file ? c.config.file : "built-in defaults");
    /* create stops at any of them: a back-end that silently disappears changes the policy. */
    for (size_t i = 0; i < problems.n; i++)
        finding_add(f, FINDING_FAIL, "descriptor", "%s", problems.v[i]);
    check_back_ends(cli, &c, f);
    if (o->openstack)
        check_openstack(cli, &c, o->nova_conf ? o->nova_conf : CHECK_NOVA_CONF, f);
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct check_options *o = options;
    cleanup_call(findings_done) struct findings f = {.verbose = o->verbose};
    cleanup_free char *text = NULL;
    bool json;
    int r;

    (void)argc, (void)argv;
    if ((r = cli_format(o->format, &json, err)) < 0)
        return r;
    if (o->nova_conf && !o->openstack)
        return err_set(err, EINVAL, "--nova-conf is for --openstack");
    check_rights(&f);
    check_kernel(&f);
    check_cgroups(&f);
    check_apparmor(&f);
    check_root(cli->root, &f);
    check_programs(cli, &f);
    check_configured(cli, o, &f);
    text = json ? findings_json(&f) : findings_text(&f);
    if ((r = cli_print(text, err)) < 0)
        return r;
    return findings_good(&f) ? 0 : 1;
}

const struct verb verb_check = {
    .name = "check",
    .arguments = "",
    .summary = "look whether this host can run containers",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct check_options),
    .run = run,
};
