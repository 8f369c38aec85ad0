/* SPDX-License-Identifier: Apache-2.0 */
#include "hostmod/hostmod.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/str.h"
#include "hostmod/library.h"

/* One look at modules; libkmod is opened when what sysfs tells is not enough. */
struct lookup {
    const struct kmod_library *lib;
    struct kmod_ctx *ctx;
};

static void lookup_done(struct lookup *l)
{
    if (l->ctx)
        l->lib->kmod_unref(l->ctx);
}

/* libkmod writes to stderr by itself, which belongs to the engine. */
static void no_log(void *data, int priority, const char *file, int line, const char *fn,
                   const char *format, va_list args)
{
    (void)data, (void)priority, (void)file, (void)line, (void)fn, (void)format, (void)args;
}

static int open_ctx(struct lookup *l, const char *dir, const char *const *config, struct err *err)
{
    int r = kmod_library_get(&l->lib, err);

    if (r < 0 || l->ctx)
        return r;
    l->ctx = l->lib->kmod_new(dir, config);
    if (!l->ctx)
        return err_set_phase(err, PHASE_PLUGIN, ENOMEM, "open libkmod: %m");
    l->lib->kmod_set_log_fn(l->ctx, no_log, NULL);
    return 0;
}

const char *hostmod_state_name(enum hostmod_state state)
{
    static const char *const names[] = {"missing", "blacklisted", "loadable",
                                        "unknown", "built in",    "loaded"};

    return (size_t)state < ARRAY_SIZE(names) ? names[state] : "?";
}

/* Split "a|b?" into its alternatives. */
static int parse(const char *name, struct strv *ret_alternatives, bool *ret_optional,
                 struct err *err)
{
    size_t len = strlen(name);
    bool optional = len > 0 && name[len - 1] == '?';
    cleanup_free char *text = xstrndup(name, len - optional);
    char *rest = text, *word;

    while ((word = strsep(&rest, "|"))) {
        if (!*word || word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789_-")] != '\0') {
            strv_done(ret_alternatives);
            return err_set_phase(err, PHASE_PLUGIN, EINVAL, "'%s' does not name a kernel module",
                                 name);
        }
        strv_add(ret_alternatives, word);
    }
    *ret_optional = optional;
    return 0;
}

static bool is_blacklisted(const struct lookup *l, struct kmod_module *mod)
{
    struct kmod_list *all = NULL, *left = NULL;
    bool forbidden = false;

    if (l->lib->kmod_module_new_from_lookup(l->ctx, l->lib->kmod_module_get_name(mod), &all) == 0 &&
        all) {
        forbidden =
            l->lib->kmod_module_apply_filter(l->ctx, KMOD_FILTER_BLACKLIST, all, &left) == 0 &&
            !left;
        l->lib->kmod_module_unref_list(left);
    }
    l->lib->kmod_module_unref_list(all);
    return forbidden;
}

/* /proc/modules is missing exactly where the kernel was built without loadable modules. */
static bool kernel_has_modules(void)
{
    return access("/proc/modules", F_OK) == 0;
}

/* What sysfs tells of a module that runs: built-in ones have no "initstate". */
static bool is_running(const char *name)
{
    cleanup_free char *dir = xasprintf("/sys/module/%s", name);
    cleanup_free char *file = NULL;
    cleanup_free char *state = NULL;

    for (char *c = dir; *c; c++)
        if (*c == '-')
            *c = '_';
    if (access(dir, F_OK) < 0)
        return false;
    file = path_join(dir, "initstate");
    return path_read(AT_FDCWD, file, 32, &state, NULL, NULL) < 0 ||
           !str_starts_with(state, "going");
}

static enum hostmod_state state_of(const struct lookup *l, const char *dir, const char *name)
{
    struct kmod_module *mod = NULL;
    enum hostmod_state state;

    if (l->lib->kmod_module_new_from_name(l->ctx, name, &mod) < 0)
        return HOSTMOD_MISSING;
    switch (l->lib->kmod_module_get_initstate(mod)) {
    case KMOD_MODULE_BUILTIN:
        state = HOSTMOD_BUILTIN;
        break;
    case KMOD_MODULE_LIVE:
    case KMOD_MODULE_COMING:
        state = HOSTMOD_LOADED;
        break;
    default:
        if (!dir && !kernel_has_modules())
            state = HOSTMOD_UNKNOWN;
        else if (!l->lib->kmod_module_get_path(mod))
            state = HOSTMOD_MISSING;
        else
            state = is_blacklisted(l, mod) ? HOSTMOD_BLACKLISTED : HOSTMOD_LOADABLE;
    }
    l->lib->kmod_module_unref(mod);
    return state;
}

int hostmod_state_in(const char *dir, const char *const *config, const char *name,
                     enum hostmod_state *ret, struct err *err)
{
    cleanup_call(lookup_done) struct lookup l = {0};
    cleanup_call(strv_done) struct strv alternatives = {0};
    enum hostmod_state best = HOSTMOD_MISSING;
    bool optional;
    int r;

    if ((r = parse(name, &alternatives, &optional, err)) < 0 ||
        (r = open_ctx(&l, dir, config, err)) < 0)
        return r;
    for (size_t i = 0; i < alternatives.n; i++) {
        enum hostmod_state state = state_of(&l, dir, alternatives.v[i]);

        best = state > best ? state : best;
    }
    *ret = best;
    return 0;
}

int hostmod_state(const char *name, enum hostmod_state *ret, struct err *err)
{
    return hostmod_state_in(NULL, NULL, name, ret, err);
}

/* Why one module is not there, as the end of a sentence. */
static void explain(char *text, size_t size, const char *name, int r)
{
    size_t used = strlen(text);

    snprintf(text + used, size - used, "%s'%s': %s", used ? "; " : "", name,
             r == -ENOENT                      ? "this kernel has no such module"
             : r == KMOD_PROBE_APPLY_BLACKLIST ? "blacklisted in modprobe.d"
                                               : strerror(r < 0 ? -r : r));
}

/* 0, KMOD_PROBE_APPLY_BLACKLIST or -errno. */
static int insert(const struct lookup *l, const char *name)
{
    struct kmod_module *mod = NULL;
    int r = l->lib->kmod_module_new_from_name(l->ctx, name, &mod);

    if (r < 0)
        return r;
    r = l->lib->kmod_module_probe_insert_module(mod, KMOD_PROBE_APPLY_BLACKLIST, NULL, NULL, NULL,
                                                NULL);
    l->lib->kmod_module_unref(mod);
    return r;
}

/* Look at all before loading any: with kvm_amd there, do not try kvm_intel. */
static int load_one_of(struct lookup *l, const struct strv *alternatives, struct err *err)
{
    char why[512] = "";
    int r = open_ctx(l, NULL, NULL, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < alternatives->n; i++)
        if (state_of(l, NULL, alternatives->v[i]) >= HOSTMOD_UNKNOWN)
            return 0;
    for (size_t i = 0; i < alternatives->n; i++) {
        r = insert(l, alternatives->v[i]);
        if (r == 0)
            return 0;
        explain(why, sizeof(why), alternatives->v[i], r);
    }
    return err_set_phase(err, PHASE_PLUGIN, r < 0 ? -r : EPERM, "load kernel module %s", why);
}

/* Most often the modules run already, or there is nothing to load from: that is seen cheaply. */
static int ensure_one(struct lookup *l, const char *name, struct err *err)
{
    cleanup_call(strv_done) struct strv alternatives = {0};
    bool optional;
    int r = parse(name, &alternatives, &optional, err);

    if (r < 0 || !kernel_has_modules())
        return r;
    for (size_t i = 0; i < alternatives.n; i++)
        if (is_running(alternatives.v[i]))
            return 0;
    r = load_one_of(l, &alternatives, optional ? NULL : err);
    return optional ? 0 : r;
}

int hostmod_ensure(const char *const *names, struct err *err)
{
    cleanup_call(lookup_done) struct lookup l = {0};
    int r = 0;

    for (size_t i = 0; r == 0 && names && names[i]; i++)
        r = ensure_one(&l, names[i], err);
    return r;
}
