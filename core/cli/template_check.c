/* SPDX-License-Identifier: Apache-2.0 */
/* The verb `template check`. */
#include <errno.h>
#include <sys/file.h>
#include "base/cleanup.h"
#include "base/timing.h"
#include "cli/creation/choice.h"
#include "cli/cli.h"
#include "template/template.h"

#define LOCK_MS 5000 /* of one that is being made */

static int check(const struct config *k, const char *name, struct err *err)
{
    const struct template_limits limits = {k->templates.max_age_s, k->templates.max_uses,
                                           k->templates.max_size};
    cleanup_call(template_close) struct template t = TEMPLATE_INIT;
    int r = str_check_id(name, err);

    if (r == 0)
        r = template_open_name(k->templates.dir, name, LOCK_SH, deadline_in_ms(LOCK_MS), &t, err);
    return r < 0 ? r : template_check(&t, &limits, err);
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    cleanup_call(choice_done) struct choice c = {0};
    cleanup_call(strv_done) struct strv names = {0};
    size_t bad = 0;
    int r;

    (void)options;
    if ((r = choice_load(cli, &c, err)) < 0 ||
        (argc == 0 && (r = template_list(c.config.templates.dir, &names, err)) < 0))
        return r;
    for (int i = 0; i < argc; i++)
        strv_add(&names, argv[i]);
    for (size_t i = 0; i < names.n; i++) {
        cleanup_free char *line = NULL;
        struct err why = ERR_INIT;

        if (check(&c.config, names.v[i], &why) < 0)
            bad++;
        line = xasprintf("%s: %s", names.v[i], why.code ? why.msg : "ok");
        if ((r = cli_print(line, err)) < 0)
            return r;
    }
    return bad ? err_set(err, ESTALE, "%zu of %zu templates cannot be cloned", bad, names.n) : 0;
}

const struct verb verb_template_check = {
    .name = "template check",
    .arguments = "[NAME...]",
    .summary = "look whether saved VMs can still be cloned",
    .max_args = -1,
    .run = run,
};
