/* SPDX-License-Identifier: Apache-2.0 */
/* `exec ID PROGRAM ...` without a process file: the container's process with changes, as in runc.
 */
#include <stdlib.h>
#include "plan/internal.h"

static void add_all(struct strv *to, const struct strv *from)
{
    for (size_t i = 0; i < from->n; i++)
        strv_add(to, from->v[i]);
}

static void add_words(struct strv *to, const char *const *words)
{
    for (; words && *words; words++)
        if (!strv_has(to, *words))
            strv_add(to, *words);
}

static void copy_rlimits(const struct oci_process *from, struct oci_process *to)
{
    for (size_t i = 0; i < from->n_rlimits; i++) {
        struct oci_rlimit *l = APPEND(to->rlimits, to->n_rlimits);

        *l = from->rlimits[i];
        l->type = xstrdup(from->rlimits[i].type);
    }
}

static struct oci_process *copy_process(const struct oci_process *from)
{
    struct oci_process *p = xcalloc(1, sizeof(*p));

    p->present = true;
    p->no_new_privs = from->no_new_privs;
    p->user = from->user;
    p->user.gids = from->user.n_gids
                       ? xmemdup(from->user.gids, from->user.n_gids * sizeof(*from->user.gids))
                       : NULL;
    add_all(&p->env, &from->env);
    p->cwd = xstrdup(from->cwd ? from->cwd : "/");
    p->has_caps = from->has_caps;
    for (size_t i = 0; i < OCI_CAP_SETS; i++)
        add_all(&p->caps[i], &from->caps[i]);
    copy_rlimits(from, p);
    p->oom_score_adj = from->oom_score_adj;
    return p;
}

static void set_user(struct oci_user *u, const struct plan_exec_options *o)
{
    if (o->uid >= 0)
        u->uid = (uint32_t)o->uid;
    if (o->gid >= 0)
        u->gid = (uint32_t)o->gid;
    u->gids = xreallocarray(u->gids, u->n_gids + o->n_gids + 1, sizeof(*u->gids));
    for (size_t i = 0; i < o->n_gids; i++)
        u->gids[u->n_gids++] = o->gids[i];
}

static void set_string(char **to, const char *value)
{
    if (!value)
        return;
    free(*to);
    *to = xstrdup(value);
}

struct oci_process *plan_exec_process(const struct oci_spec *container,
                                      const struct plan_exec_options *o)
{
    struct oci_process *p = copy_process(&container->process);

    for (const char *const *a = o->args; a && *a; a++)
        strv_add(&p->args, *a);
    for (const char *const *e = o->env; e && *e; e++)
        strv_add(&p->env, *e);
    set_string(&p->cwd, o->cwd);
    set_string(&p->apparmor_profile, o->apparmor);
    set_string(&p->selinux_label, o->process_label);
    for (size_t i = 0; i < OCI_CAP_SETS; i++)
        /* A capability that is not inheritable cannot be ambient: the kernel refuses it. */
        if (i != OCI_CAP_INHERITABLE && i != OCI_CAP_AMBIENT)
            add_words(&p->caps[i], o->caps);
    p->has_caps |= o->caps && *o->caps;
    set_user(&p->user, o);
    p->terminal = o->terminal > 0;
    if (o->no_new_privs >= 0)
        p->no_new_privs = o->no_new_privs;
    return p;
}
