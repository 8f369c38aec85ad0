/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/exec_process.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "plan/build.h"

#define ID_MAX (UINT32_MAX - 1)

int exec_parse_user(const char *text, int64_t *ret_uid, int64_t *ret_gid, struct err *err)
{
    cleanup_free char *uid = xstrdup(text);
    char *gid = strchr(uid, ':');
    int64_t u, g = -1;

    if (gid)
        *gid++ = '\0';
    if (str_to_i64(uid, 0, ID_MAX, &u) < 0 || (gid && str_to_i64(gid, 0, ID_MAX, &g) < 0))
        return err_set(err, EINVAL, "--user '%s': expected UID or UID:GID as numbers", text);
    *ret_uid = u;
    *ret_gid = g;
    return 0;
}

static int read_file(const char *file, char **ret, size_t *ret_len, struct err *err)
{
    if (strcmp(file, "-") == 0)
        return fd_read_all(STDIN_FILENO, OCI_CONFIG_MAX, ret, ret_len, err);
    return path_read(AT_FDCWD, file, OCI_CONFIG_MAX, ret, ret_len, err);
}

static int from_file(const struct exec_process_options *o, struct oci_process **ret,
                     struct err *err)
{
    cleanup_free char *text = NULL;
    size_t len;
    int r;

    if ((r = read_file(o->file, &text, &len, err)) < 0 ||
        (r = oci_process_parse(text, len, ret, err)) < 0)
        return err_wrap(err, "--process %s", o->file);
    if (o->tty)
        (*ret)->terminal = true;
    return 0;
}

static int parse_gids(const struct strv *texts, uint32_t **ret, struct err *err)
{
    uint32_t *gids = xcalloc(texts->n + 1, sizeof(*gids));

    for (size_t i = 0; i < texts->n; i++) {
        uint64_t gid;

        if (str_to_u64(texts->v[i], 0, ID_MAX, &gid) < 0) {
            free(gids);
            return err_set(err, EINVAL, "--additional-gids '%s': expected a number", texts->v[i]);
        }
        gids[i] = (uint32_t)gid;
    }
    *ret = gids;
    return 0;
}

int exec_process(const struct exec_process_options *o, const struct oci_spec *container,
                 char **words, struct oci_process **ret, struct err *err)
{
    cleanup_free uint32_t *gids = NULL;
    struct plan_exec_options p = {
        .args = (const char *const *)words,
        .env = (const char *const *)o->env.v,
        .caps = (const char *const *)o->caps.v,
        .n_gids = o->gids.n,
        .cwd = o->cwd,
        .uid = -1,
        .gid = -1,
        .terminal = o->tty,
        .no_new_privs = o->no_new_privs ? 1 : -1,
        .apparmor = o->apparmor,
        .process_label = o->label,
    };
    int r;

    if (o->file)
        return from_file(o, ret, err);
    if ((r = parse_gids(&o->gids, &gids, err)) < 0 ||
        (o->user && (r = exec_parse_user(o->user, &p.uid, &p.gid, err)) < 0))
        return r;
    p.gids = gids;
    *ret = plan_exec_process(container, &p);
    return 0;
}
