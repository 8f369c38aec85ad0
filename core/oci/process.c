/* SPDX-License-Identifier: Apache-2.0 */
/* `process` of config.json, which is also the whole text of exec --process. */
#include <errno.h>
#include <stdlib.h>
#include "oci/reader.h"

static const char *const cap_sets[OCI_CAP_SETS] = {
    [OCI_CAP_BOUNDING] = "bounding",   [OCI_CAP_EFFECTIVE] = "effective",
    [OCI_CAP_PERMITTED] = "permitted", [OCI_CAP_INHERITABLE] = "inheritable",
    [OCI_CAP_AMBIENT] = "ambient",
};

static void read_user(struct reader *r, json_object *obj, struct oci_user *u)
{
    json_object *user = rd_enter(r, obj, "user");

    u->umask = OCI_UMASK_UNSET;
    if (!user)
        return;
    rd_u32(r, user, "uid", &u->uid);
    rd_u32(r, user, "gid", &u->gid);
    if (rd_u32(r, user, "umask", &u->umask) && u->umask > 0777)
        rd_fail(r, "umask", "expected a number from 0 to 511");
    rd_u32_list(r, user, "additionalGids", &u->gids, &u->n_gids);
    rd_leave(r);
}

static void read_capabilities(struct reader *r, json_object *obj, struct oci_process *p)
{
    json_object *caps = rd_enter(r, obj, "capabilities");

    if (!caps)
        return;
    p->has_caps = true;
    for (size_t i = 0; i < OCI_CAP_SETS; i++)
        rd_strv(r, caps, cap_sets[i], &p->caps[i]);
    rd_leave(r);
}

static void read_rlimit(struct reader *r, json_object *obj, void *dest)
{
    struct oci_rlimit *l = dest;

    rd_need_str(r, obj, "type", &l->type);
    rd_u64(r, obj, "soft", UINT64_MAX, &l->soft);
    rd_u64(r, obj, "hard", UINT64_MAX, &l->hard);
}

static void read_console_size(struct reader *r, json_object *obj, struct oci_process *p)
{
    json_object *size = rd_enter(r, obj, "consoleSize");
    uint64_t rows = 0, cols = 0;

    if (!size)
        return;
    rd_u64(r, size, "height", UINT16_MAX, &rows);
    rd_u64(r, size, "width", UINT16_MAX, &cols);
    p->rows = (uint32_t)rows;
    p->cols = (uint32_t)cols;
    rd_leave(r);
}

static void read_scheduling(struct reader *r, json_object *obj, struct oci_process *p)
{
    json_object *part = rd_enter(r, obj, "ioPriority");

    if (part) {
        p->io_priority.set = true;
        rd_need_str(r, part, "class", &p->io_priority.cls);
        rd_i64(r, part, "priority", 0, 7, &p->io_priority.priority);
        rd_leave(r);
    }
    if ((part = rd_enter(r, obj, "scheduler"))) {
        p->scheduler.set = true;
        rd_need_str(r, part, "policy", &p->scheduler.policy);
        rd_i64(r, part, "nice", -20, 19, &p->scheduler.nice);
        rd_i64(r, part, "priority", 0, 99, &p->scheduler.priority);
        rd_leave(r);
    }
}

void read_process(struct reader *r, json_object *obj, struct oci_process *p)
{
    p->present = true;
    rd_bool(r, obj, "terminal", &p->terminal);
    read_console_size(r, obj, p);
    read_user(r, obj, &p->user);
    rd_strv(r, obj, "args", &p->args);
    rd_strv(r, obj, "env", &p->env);
    rd_str(r, obj, "cwd", &p->cwd);
    read_capabilities(r, obj, p);
    rd_list(r, obj, "rlimits", sizeof(struct oci_rlimit), read_rlimit, &p->rlimits, &p->n_rlimits);
    rd_bool(r, obj, "noNewPrivileges", &p->no_new_privs);
    rd_str(r, obj, "apparmorProfile", &p->apparmor_profile);
    rd_str(r, obj, "selinuxLabel", &p->selinux_label);
    if (rd_i64(r, obj, "oomScoreAdj", -1000, 1000, &p->oom_score_adj.value))
        p->oom_score_adj.set = true;
    read_scheduling(r, obj, p);
}

int oci_process_parse(const char *json, size_t len, struct oci_process **ret, struct err *err)
{
    struct reader r = {.file = "process.json", .err = err};
    struct oci_process *p;
    json_object *obj = NULL;
    int e = reader_parse(json, len, r.file, &obj, err);

    if (e < 0)
        return e;
    p = xcalloc(1, sizeof(*p));
    read_process(&r, obj, p);
    json_object_put(obj);
    if (r.code) {
        oci_process_free(p);
        return r.code;
    }
    *ret = p;
    return 0;
}
