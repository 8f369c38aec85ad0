/* SPDX-License-Identifier: Apache-2.0 */
/* How the runtime is called for a task: from containerd's options, kept in the bundle for a
 * `delete` that comes without them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "shim.pb-c.h"
#include "shim/message.h"
#include "shim/shim.h"

#define FILE_NAME "anyvisor-shim"
#define FILE_MAX 65536
#define DEFAULT_ROOT "/run/containerd/anyvisor"
#define ROOT_ENV "ANYVISOR_ROOT"

void settings_done(struct settings *o)
{
    free(o->root);
    free(o->config);
    *o = (struct settings){0};
}

/* Ids are unique in a namespace of containerd's only. */
static char *root_of(const char *base, const char *ns)
{
    if (!base || !*base)
        base = getenv(ROOT_ENV);
    return path_join(base && *base ? base : DEFAULT_ROOT, ns);
}

static bool is_type(const Pb__Any *any, const char *name)
{
    return any && str_ends_with(any->type_url, name);
}

int settings_from(const ProtobufCMessage *message, const char *ns, struct settings *ret,
                  struct err *err)
{
    const Pb__Any *any = (const Pb__Any *)message;
    cleanup_call(message_free) Pb__RuncOptions *runc = NULL;
    cleanup_call(message_free) Pb__RuntimeOptions *general = NULL;

    if (is_type(any, TYPE_RUNC_OPTIONS))
        runc = pb__runc_options__unpack(NULL, any->value.len, any->value.data);
    else if (is_type(any, TYPE_RUNTIME_OPTIONS))
        general = pb__runtime_options__unpack(NULL, any->value.len, any->value.data);
    if (any && any->value.len > 0 && !runc && !general)
        return err_set(err, EINVAL, "options of type '%s' are not understood", any->type_url);
    *ret = (struct settings){
        .root = root_of(runc ? runc->root : NULL, ns),
        .config = general && *general->config_path ? xstrdup(general->config_path) : NULL,
        .systemd_cgroup = runc && runc->systemd_cgroup,
    };
    return 0;
}

/* One line each; a path with a newline could not be read again. */
int settings_save(const struct settings *o, const char *bundle, struct err *err)
{
    cleanup_free char *path = path_join(bundle, FILE_NAME);
    cleanup_free char *text = xasprintf("%s\n%s\n%s\n", o->root, o->config ? o->config : "",
                                        o->systemd_cgroup ? "systemd" : "");
    size_t lines = 0;

    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    if (lines != 3)
        return err_set(err, EINVAL, "a path in the options has a line end");
    return path_replace(AT_FDCWD, path, text, strlen(text), 0600, err);
}

void settings_load(const char *bundle, const char *ns, struct settings *ret)
{
    cleanup_free char *path = path_join(bundle, FILE_NAME);
    cleanup_free char *text = NULL;
    char *rest, *root, *config, *cgroup;
    size_t len;

    *ret = (struct settings){0};
    if (path_read(AT_FDCWD, path, FILE_MAX, &text, &len, NULL) < 0) {
        ret->root = root_of(NULL, ns);
        return;
    }
    rest = text;
    root = strsep(&rest, "\n");
    config = strsep(&rest, "\n");
    cgroup = strsep(&rest, "\n");
    ret->root = root && *root ? xstrdup(root) : root_of(NULL, ns);
    ret->config = config && *config ? xstrdup(config) : NULL;
    ret->systemd_cgroup = cgroup && *cgroup;
}

void settings_command(const struct settings *o, const char *cli, const char *log, bool debug,
                      struct strv *ret)
{
    strv_add(ret, cli);
    strv_add(ret, "--root");
    strv_add(ret, o->root);
    if (log) {
        strv_add(ret, "--log");
        strv_add(ret, log);
    }
    if (o->config) {
        strv_add(ret, "--config");
        strv_add(ret, o->config);
    }
    if (o->systemd_cgroup)
        strv_add(ret, "--systemd-cgroup");
    if (debug)
        strv_add(ret, "--debug");
}
