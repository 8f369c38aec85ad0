/* SPDX-License-Identifier: Apache-2.0 */
/* The verb `plugin test`: the conformance kit on one plug-in, and its report. */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "cli/inspect.h"
#include "hostmod/hostmod.h"
#include "kit/kit.h"

#define BOOT_S 90 /* emulated, on a loaded machine */
#define NOT_COMPLETE 2

struct test_options {
    struct strv config, only;
    const char *arch, *kernel, *initrd, *boot, *format;
    bool no_kernel, verbose;
};

#define OPTION(member) offsetof(struct test_options, member)
static const struct option_row rows[] = {
    {"config", 'c', OPTION_LIST, OPTION(config), "KEY=VALUE", "a key of the plug-in; repeatable"},
    {"only", 'o', OPTION_LIST, OPTION(only), "AREA",
     "life, claims, devices, template, refusals or faults; repeatable"},
    {"arch", 'a', OPTION_TEXT, OPTION(arch), "ARCH", "of the guests (default: this host's)"},
    {"kernel", 'k', OPTION_TEXT, OPTION(kernel), "FILE", "what the VMs boot, instead of the image"},
    {"initrd", 'i', OPTION_TEXT, OPTION(initrd), "FILE", "the same for the initramfs"},
    {"no-kernel", 0, OPTION_FLAG, OPTION(no_kernel), NULL,
     "its VMs boot no kernel (namespaces, simulations)"},
    {"boot-timeout", 't', OPTION_TEXT, OPTION(boot), "SECONDS",
     "until the agent must answer (default 90)"},
    {"format", 'f', OPTION_TEXT, OPTION(format), "FORMAT", "text or json"},
    {"verbose", 'v', OPTION_FLAG, OPTION(verbose), NULL, "notes and the plug-in's log too"},
};

struct report {
    bool verbose;
    struct strv failed; /* said again at the end, for there are more than a hundred lines */
    json_object *list;  /* NULL: print as they come */
};

static const char *const results[] = {"ok", "failed", "skipped", "note"};

static void print_check(struct report *r, const struct kit_check *c)
{
    static const char *const words[] = {"ok    ", "FAILED", "skip  ", "     #"};
    cleanup_free char *line = xasprintf("%s %s: %s%s%s", words[c->result], c->area, c->what,
                                        c->what[0] && c->detail[0] ? ": " : "", c->detail);

    if (c->result == KIT_NOTE && !r->verbose)
        return;
    if (c->result == KIT_FAILED)
        strv_add(&r->failed, line);
    puts(line);
    fflush(stdout);
}

static void print_summary(const char *name, const struct report *r, const struct kit_summary *s)
{
    for (size_t i = 0; i < r->failed.n; i++)
        printf("%s%s\n", i ? "" : "\n", r->failed.v[i]);
    printf("%s: %u passed, %u failed, %u skipped%s\n", name, s->passed, s->failed, s->skipped,
           s->ran_vms ? "" : "; this host ran no VM of it");
}

static void told(void *ctx, const struct kit_check *c)
{
    struct report *r = ctx;
    json_object *o;

    if (!r->list) {
        print_check(r, c);
        return;
    }
    o = json_object_new_object();
    json_object_object_add(o, "area", json_object_new_string(c->area));
    json_object_object_add(o, "result", json_object_new_string(results[c->result]));
    if (c->what[0])
        json_object_object_add(o, "check", json_object_new_string(c->what));
    if (c->detail[0])
        json_object_object_add(o, "detail", json_object_new_string(c->detail));
    json_object_array_add(r->list, o);
}

static int print_json(const struct descriptor *d, const struct report *r,
                      const struct kit_summary *s, struct err *err)
{
    json_object *o = json_object_new_object(), *caps = json_object_new_array();

    for (unsigned bit = 0; bit < 64; bit++)
        if (s->info.caps.flags & UINT64_C(1) << bit && plugin_cap_name(bit))
            json_object_array_add(caps, json_object_new_string(plugin_cap_name(bit)));
    json_object_object_add(o, "library", json_object_new_string(d->so));
    json_object_object_add(o, "plugin", json_object_new_string(s->info.name));
    json_object_object_add(o, "plugin_version", json_object_new_string(s->info.version));
    json_object_object_add(o, "arch", json_object_new_string(d->arch));
    json_object_object_add(o, "capabilities", caps);
    json_object_object_add(o, "checks", json_object_get(r->list));
    json_object_object_add(o, "passed", json_object_new_int64(s->passed));
    json_object_object_add(o, "failed", json_object_new_int64(s->failed));
    json_object_object_add(o, "skipped", json_object_new_int64(s->skipped));
    json_object_object_add(o, "complete", json_object_new_boolean(s->ran_vms));
    return cli_print_json(o, err);
}

static void add_key(struct descriptor *d, const char *key, size_t len, const char *value)
{
    d->config = xreallocarray(d->config, d->n_config + 1, sizeof(*d->config));
    d->config[d->n_config++] =
        (struct descriptor_key){.key = xstrndup(key, len), .value = xstrdup(value)};
}

/* After the descriptor's own keys: a plug-in takes the last word. */
static int add_config(struct descriptor *d, const struct strv *pairs, struct err *err)
{
    for (size_t i = 0; i < pairs->n; i++) {
        const char *pair = pairs->v[i], *value = strchr(pair, '=');

        if (!value || value == pair)
            return err_set(err, EINVAL, "--config '%s' is not KEY=VALUE", pair);
        add_key(d, pair, (size_t)(value - pair), value + 1);
    }
    return 0;
}

/* A file is tested as it is, without a descriptor: the file stands for it. */
static int from_file(const char *path, const char *arch, struct descriptor *ret, struct err *err)
{
    cleanup_free char *real = realpath(path, NULL);
    const char *name, *dot;

    if (!real)
        return err_set(err, errno, "find plug-in '%s': %m", path);
    name = strrchr(real, '/') + 1;
    dot = strrchr(name, '.');
    *ret = (struct descriptor){.name = xstrndup(name, dot ? (size_t)(dot - name) : strlen(name)),
                               .file = xstrdup(real),
                               .so = xstrdup(real),
                               .arch = xstrdup(arch ? arch : choice_host_arch())};
    return 0;
}

/* The descriptor of that name, taken out of the configured ones. */
static int from_name(const struct cli *cli, const char *name, struct descriptor *ret,
                     struct err *err)
{
    cleanup_call(choice_done) struct choice c = {0};
    int r = choice_load(cli, &c, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < c.descriptors.n; i++) {
        struct descriptor *d = &c.descriptors.v[i];

        if (strcmp(d->name, name) != 0)
            continue;
        *ret = *d;
        *d = (struct descriptor){0};
        return hostmod_ensure((const char *const *)ret->modules.v, err);
    }
    return err_set(err, ENOENT,
                   "no back-end is called '%s': give a file with a slash in its name, or a name "
                   "that `anyvisor backends` lists",
                   name);
}

static int find(const struct cli *cli, const struct test_options *o, const char *what,
                struct descriptor *ret, struct err *err)
{
    bool file = strchr(what, '/') || str_ends_with(what, ".so");
    int r = file ? from_file(what, o->arch, ret, err) : from_name(cli, what, ret, err);

    return r < 0 ? r : add_config(ret, &o->config, err);
}

static int test(const struct cli *cli, const struct test_options *o, const struct descriptor *d,
                struct report *report, struct kit_summary *s, struct err *err)
{
    cleanup_free char *guest_dir = NULL, *kernel = NULL, *initrd = NULL;
    struct kit_options k = {.d = d, .only = &o->only, .told = told, .ctx = report};
    uint64_t seconds = BOOT_S;
    struct hvp_host host;

    if (o->boot && str_to_u64(o->boot, 1, 3600, &seconds) < 0)
        return err_set(err, EINVAL, "--boot-timeout '%s' is not a number of seconds up to 3600",
                       o->boot);
    choice_host(cli, d->arch, &host, &guest_dir);
    kernel = path_join(guest_dir, "vmlinux");
    initrd = path_join(guest_dir, "initramfs.cpio");
    k.host = &host;
    k.boot_ms = (uint32_t)seconds * 1000;
    if (!o->no_kernel) {
        k.kernel = o->kernel ? o->kernel : kernel;
        k.initrd = o->initrd ? o->initrd : o->kernel ? "" : initrd;
    }
    return kit_run(&k, s, err);
}

static int conclude(const struct kit_summary *s)
{
    if (s->failed)
        return 1;
    return s->ran_vms ? 0 : NOT_COMPLETE;
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct test_options *o = options;
    cleanup_call(descriptor_done) struct descriptor d = {0};
    struct report report = {.verbose = o->verbose};
    struct kit_summary s = {0};
    bool json;
    int r;

    (void)argc;
    if ((r = cli_format(o->format, &json, err)) < 0 || (r = find(cli, o, argv[0], &d, err)) < 0)
        return r;
    report.list = json ? json_object_new_array() : NULL;
    r = test(cli, o, &d, &report, &s, err);
    if (r == 0 && json)
        r = print_json(&d, &report, &s, err);
    else if (r == 0)
        print_summary(d.name, &report, &s);
    json_object_put(report.list);
    strv_done(&report.failed);
    return r < 0 ? r : conclude(&s);
}

const struct verb verb_plugin_test = {
    .name = "plugin test",
    .arguments = "FILE|NAME",
    .summary = "ask a hypervisor plug-in for everything that it claims",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct test_options),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
