/* SPDX-License-Identifier: Apache-2.0 */
#include "hostmod/hostmod.h"
#include <errno.h>
#include <libkmod.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/str.h"

static void unref_ctx(struct kmod_ctx **ctx)
{
    kmod_unref(*ctx);
}

static void unref_module(struct kmod_module **mod)
{
    kmod_module_unref(*mod);
}

static void unref_list(struct kmod_list **list)
{
    kmod_module_unref_list(*list);
}

/* libkmod writes to stderr by itself, which belongs to the engine. */
static void no_log(void *data, int priority, const char *file, int line, const char *fn,
                   const char *format, va_list args)
{
    (void)data, (void)priority, (void)file, (void)line, (void)fn, (void)format, (void)args;
}

static int open_ctx(const char *dir, const char *const *config, struct kmod_ctx **ret,
                    struct err *err)
{
    struct kmod_ctx *ctx = kmod_new(dir, config);

    if (!ctx)
        return err_set_phase(err, PHASE_PLUGIN, ENOMEM, "open libkmod: %m");
    kmod_set_log_fn(ctx, no_log, NULL);
    *ret = ctx;
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

static bool is_blacklisted(struct kmod_ctx *ctx, struct kmod_module *mod)
{
    cleanup_call(unref_list) struct kmod_list *one = NULL;
    cleanup_call(unref_list) struct kmod_list *left = NULL;
    struct kmod_list *all = NULL;

    if (kmod_module_new_from_lookup(ctx, kmod_module_get_name(mod), &all) < 0 || !all)
        return false;
    one = all;
    return kmod_module_apply_filter(ctx, KMOD_FILTER_BLACKLIST, one, &left) == 0 && !left;
}

/* /proc/modules is missing exactly where the kernel was built without loadable modules. */
static bool kernel_has_modules(void)
{
    return access("/proc/modules", F_OK) == 0;
}

static enum hostmod_state state_of(struct kmod_ctx *ctx, const char *dir, const char *name)
{
    cleanup_call(unref_module) struct kmod_module *mod = NULL;

    if (kmod_module_new_from_name(ctx, name, &mod) < 0)
        return HOSTMOD_MISSING;
    switch (kmod_module_get_initstate(mod)) {
    case KMOD_MODULE_BUILTIN:
        return HOSTMOD_BUILTIN;
    case KMOD_MODULE_LIVE:
    case KMOD_MODULE_COMING:
        return HOSTMOD_LOADED;
    default:
        break;
    }
    if (!dir && !kernel_has_modules())
        return HOSTMOD_UNKNOWN;
    if (!kmod_module_get_path(mod))
        return HOSTMOD_MISSING;
    return is_blacklisted(ctx, mod) ? HOSTMOD_BLACKLISTED : HOSTMOD_LOADABLE;
}

int hostmod_state_in(const char *dir, const char *const *config, const char *name,
                     enum hostmod_state *ret, struct err *err)
{
    cleanup_call(unref_ctx) struct kmod_ctx *ctx = NULL;
    cleanup_call(strv_done) struct strv alternatives = {0};
    enum hostmod_state best = HOSTMOD_MISSING;
    bool optional;
    int r;

    if ((r = parse(name, &alternatives, &optional, err)) < 0 ||
        (r = open_ctx(dir, config, &ctx, err)) < 0)
        return r;
    for (size_t i = 0; i < alternatives.n; i++) {
        enum hostmod_state state = state_of(ctx, dir, alternatives.v[i]);

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
static int insert(struct kmod_ctx *ctx, const char *name)
{
    cleanup_call(unref_module) struct kmod_module *mod = NULL;
    int r = kmod_module_new_from_name(ctx, name, &mod);

    if (r < 0)
        return r;
    return kmod_module_probe_insert_module(mod, KMOD_PROBE_APPLY_BLACKLIST, NULL, NULL, NULL, NULL);
}

static int ensure_one(struct kmod_ctx *ctx, const char *name, struct err *err)
{
    cleanup_call(strv_done) struct strv alternatives = {0};
    char why[512] = "";
    bool optional;
    int r = parse(name, &alternatives, &optional, err);

    if (r < 0)
        return r;
    /* Look at all before loading any: with kvm_amd there, do not try kvm_intel. */
    for (size_t i = 0; i < alternatives.n; i++)
        if (state_of(ctx, NULL, alternatives.v[i]) >= HOSTMOD_UNKNOWN)
            return 0;
    for (size_t i = 0; i < alternatives.n; i++) {
        r = insert(ctx, alternatives.v[i]);
        if (r == 0)
            return 0;
        explain(why, sizeof(why), alternatives.v[i], r);
    }
    if (optional)
        return 0;
    return err_set_phase(err, PHASE_PLUGIN, r < 0 ? -r : EPERM, "load kernel module %s", why);
}

int hostmod_ensure(const char *const *names, struct err *err)
{
    cleanup_call(unref_ctx) struct kmod_ctx *ctx = NULL;
    int r;

    if (!names || !names[0])
        return 0;
    r = open_ctx(NULL, NULL, &ctx, err);
    for (size_t i = 0; r == 0 && names[i]; i++)
        r = ensure_one(ctx, names[i], err);
    return r;
}
