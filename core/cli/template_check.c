/* SPDX-License-Identifier: Apache-2.0 */
/* The verb `template check`. */
#include <errno.h>
#include <inttypes.h>
#include <sys/file.h>
#include "base/cleanup.h"
#include "base/timing.h"
#include "cli/creation/from_template.h"

#define LOCK_MS 5000 /* of one that is being made */

struct check_options {
    bool boot;
};

static const struct option_row rows[] = {
    {"boot", 0, OPTION_FLAG, offsetof(struct check_options, boot), NULL,
     "clone each, wait for the clone's agent, and end it"},
};

/* t changes hands. Clones that others want of it wait meanwhile. */
static int try_clone(const struct cli *cli, struct template *t, uint64_t *ret_ms, struct err *err)
{
    cleanup_call(creation_done) struct creation c = CREATION_INIT;
    uint64_t begin = now_ns();
    int r;

    c.cli = cli;
    c.id = "template";
    c.template = *t;
    *t = (struct template)TEMPLATE_INIT;
    if ((r = choice_load(cli, &c.choice, err)) < 0 ||
        (r = interrupt_begin(&c.interrupt, err)) < 0 ||
        (r = from_template_like(&c, &c.template.facts, err)) < 0 ||
        (r = from_template_try(&c, err)) < 0)
        return r;
    *ret_ms = (now_ns() - begin) / 1000000;
    return 0;
}

/* *ret_ms: how long a clone took; 0 = there was none. */
static int check(const struct cli *cli, const struct config *k, const char *name, bool boot,
                 uint64_t *ret_ms, struct err *err)
{
    const struct template_limits limits = {k->templates.max_age_s, k->templates.max_uses,
                                           k->templates.max_size};
    cleanup_call(template_close) struct template t = TEMPLATE_INIT;
    int r = str_check_id(name, err);

    if (r == 0)
        r = template_open_name(k->templates.dir, name, boot ? LOCK_EX : LOCK_SH,
                               deadline_in_ms(LOCK_MS), &t, err);
    if (r == 0)
        r = template_check(&t, &limits, err);
    return r == 0 && boot ? try_clone(cli, &t, ret_ms, err) : r;
}

static int print(const char *name, uint64_t ms, const struct err *why, struct err *err)
{
    cleanup_free char *line = NULL;

    if (why->code || ms == 0)
        line = xasprintf("%s: %s", name, why->code ? why->msg : "ok");
    else
        line = xasprintf("%s: ok, a clone has answered after %" PRIu64 " ms", name, ms);
    return cli_print(line, err);
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct check_options *o = options;
    cleanup_call(choice_done) struct choice c = {0};
    cleanup_call(strv_done) struct strv names = {0};
    size_t bad = 0;
    int r;

    if ((r = choice_load(cli, &c, err)) < 0 ||
        (argc == 0 && (r = template_list(c.config.templates.dir, &names, err)) < 0))
        return r;
    for (int i = 0; i < argc; i++)
        strv_add(&names, argv[i]);
    for (size_t i = 0; i < names.n; i++) {
        struct err why = ERR_INIT;
        uint64_t ms = 0;

        r = check(cli, &c.config, names.v[i], o->boot, &ms, &why);
        if (r == -EINTR)
            return *err = why, r;
        bad += r < 0;
        if ((r = print(names.v[i], ms, &why, err)) < 0)
            return r;
    }
    return bad ? err_set(err, ESTALE, "%zu of %zu templates cannot be cloned", bad, names.n) : 0;
}

const struct verb verb_template_check = {
    .name = "template check",
    .arguments = "[NAME...]",
    .summary = "look whether saved VMs can still be cloned",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct check_options),
    .max_args = -1,
    .run = run,
};
