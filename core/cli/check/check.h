/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.h - findings about this host, for the verb `check`.
 * check.c collects and prints them, host.c looks at what is not a back-end, openstack.c
 * at what nova-compute has of the same host.
 */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H
#include <stdbool.h>
#include <stddef.h>
#include "cli/creation/choice.h"
#include "cli/cli.h"

enum finding_level { FINDING_OK, FINDING_WARN, FINDING_FAIL };

struct finding {
    enum finding_level level;
    char *what, *detail;
};

struct findings {
    struct finding *v;
    size_t n;
    bool verbose; /* one finding for each small thing too */
};

void finding_add(struct findings *f, enum finding_level level, const char *what, const char *fmt,
                 ...) PRINTF_LIKE(4, 5);
void findings_done(struct findings *f);
bool findings_good(const struct findings *f); /* nothing failed */

/* One line each: "ok    what: detail"; caller frees. */
char *findings_text(const struct findings *f);
char *findings_json(const struct findings *f);

/* Rights, kernel features, cgroups, state root, our own programs. */
void check_rights(struct findings *f);
void check_kernel(struct findings *f);
void check_cgroups(struct findings *f);
void check_apparmor(struct findings *f);
void check_root(const char *root, struct findings *f);
void check_programs(const struct cli *cli, struct findings *f);

/* Against the configuration of nova-compute in that file. */
#define CHECK_NOVA_CONF "/etc/nova/nova.conf"
void check_openstack(const struct cli *cli, const struct choice *c, const char *file,
                     struct findings *f);

#endif
