/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the host does not reach into the guest: who gives it to a container learns it from the
 * log and not from something that fails later.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/log.h"
#include "base/path.h"
#include "cli/lifecycle.h"

#define TABLE_MAX (256u << 10)
#define PRESERVED_MAX 65536

int not_carried_descriptors(const char *preserve_fds, struct err *err)
{
    const char *notify = getenv("NOTIFY_SOCKET");
    uint64_t n = 0;

    if (preserve_fds && str_to_u64(preserve_fds, 0, PRESERVED_MAX, &n) < 0)
        return err_set(err, EINVAL, "--preserve-fds '%s': expected a number", preserve_fds);
    if (n > 0)
        log_warn("--preserve-fds %s: descriptors cannot be carried into a VM, ignoring",
                 preserve_fds);
    if (notify && *notify)
        log_warn("NOTIFY_SOCKET: the notification socket is not carried into a VM, ignoring");
    return 0;
}

static const char *word_of(char *line, int column)
{
    char *rest = line, *word = strtok_r(line, " \t", &rest);

    while (word && column-- > 0)
        word = strtok_r(NULL, " \t", &rest);
    return word;
}

/* Only interfaces with an address: a new namespace has lo, and on some kernels idle tunnels. */
static void add_names(pid_t pid, const char *table, int column, struct strv *names)
{
    cleanup_free char *path = xasprintf("/proc/%d/net/%s", (int)pid, table);
    cleanup_free char *text = NULL;
    char *rest, *line;

    if (path_read(AT_FDCWD, path, TABLE_MAX, &text, NULL, NULL) < 0)
        return;
    for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        const char *name = word_of(line, column);

        if (name && strcmp(name, "Iface") != 0 && strcmp(name, "lo") != 0 && !strv_has(names, name))
            strv_add(names, name);
    }
}

void not_carried_interfaces(const struct container *c)
{
    struct strv names = {0};

    add_names(c->state.proxy.pid, "route", 0, &names);
    add_names(c->state.proxy.pid, "if_inet6", 5, &names);
    for (size_t i = 0; i < names.n; i++)
        log_warn("network interface '%s': the guest has only lo so far, ignoring", names.v[i]);
    strv_done(&names);
}
