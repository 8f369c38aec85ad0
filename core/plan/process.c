/* SPDX-License-Identifier: Apache-2.0 */
/* `process` of config.json or of exec --process -> struct plan_process. */
#include <errno.h>
#include <stdlib.h>
#include "base/cleanup.h"
#include "oci/tables.h"
#include "plan/internal.h"

void list_from_strv(const struct strv *s, struct plan_list *ret)
{
    ret->v = xcalloc(s->n + 1, sizeof(char *));
    ret->n = s->n;
    for (size_t i = 0; i < s->n; i++)
        ret->v[i] = xstrdup(s->v[i]);
}

static int check(const struct oci_process *p, struct err *err)
{
    if (p->args.n == 0)
        return err_set_phase(err, PHASE_CONFIG, EINVAL, "process.args must not be empty");
    if (!p->cwd || !*p->cwd)
        return err_set_phase(err, PHASE_CONFIG, EINVAL, "process.cwd must not be empty");
    if (p->cwd[0] != '/')
        return err_set_phase(err, PHASE_CONFIG, EINVAL, "process.cwd '%s' must be an absolute path",
                             p->cwd);
    if (p->args.n > PLAN_LIST_MAX || p->env.n > PLAN_LIST_MAX || p->user.n_gids > PLAN_LIST_MAX)
        return err_set_phase(err, PHASE_CONFIG, E2BIG,
                             "process: more than %u arguments, variables or groups", PLAN_LIST_MAX);
    return 0;
}

/* OCI_CAP_* and PLAN_CAP_* count alike. */
static void set_caps(const struct oci_process *p, struct plan_process *ret, struct strv *warnings)
{
    if (!p->has_caps)
        return;
    ret->flags |= PLAN_P_CAPS;
    for (size_t s = 0; s < OCI_CAP_SETS; s++)
        for (size_t i = 0; i < p->caps[s].n; i++) {
            int bit = oci_capability_parse(p->caps[s].v[i]);

            if (bit >= 0)
                ret->caps[s] |= UINT64_C(1) << bit;
            else if (s == OCI_CAP_BOUNDING ||
                     !strv_has(&p->caps[OCI_CAP_BOUNDING], p->caps[s].v[i]))
                strv_addf(warnings, "process.capabilities: '%s' is unknown, ignoring",
                          p->caps[s].v[i]);
        }
    /* Without a word: `runc spec` of runc 1.1 writes ambient ones that are not inheritable, which
     * no kernel raises, and runc and crun pass over them. */
    ret->caps[PLAN_CAP_AMBIENT] &= ret->caps[PLAN_CAP_PERMITTED] & ret->caps[PLAN_CAP_INHERITABLE];
}

static int set_rlimits(const struct oci_process *p, struct plan_process *ret, struct err *err)
{
    for (size_t i = 0; i < p->n_rlimits; i++) {
        int resource = oci_rlimit_parse(p->rlimits[i].type);
        struct plan_rlimit *l;

        if (resource < 0)
            return err_set_phase(err, PHASE_CONFIG, EINVAL,
                                 "process.rlimits[%zu].type: '%s' is unknown", i,
                                 p->rlimits[i].type);
        if (p->rlimits[i].soft > p->rlimits[i].hard)
            return err_set_phase(err, PHASE_CONFIG, EINVAL,
                                 "process.rlimits[%zu]: %s: soft is above hard", i,
                                 p->rlimits[i].type);
        l = APPEND(ret->rlimits, ret->n_rlimits);
        *l = (struct plan_rlimit){(uint32_t)resource, p->rlimits[i].soft, p->rlimits[i].hard};
    }
    return 0;
}

static void note_ignored(const struct oci_process *p, struct strv *warnings)
{
    if (p->apparmor_profile && *p->apparmor_profile &&
        strcmp(p->apparmor_profile, "unconfined") != 0)
        strv_addf(warnings, "process.apparmorProfile '%s': the guest has no AppArmor, ignoring",
                  p->apparmor_profile);
    if (p->selinux_label && *p->selinux_label)
        strv_addf(warnings, "process.selinuxLabel '%s': the guest has no SELinux, ignoring",
                  p->selinux_label);
    if (p->io_priority.set)
        strv_add(warnings, "process.ioPriority is not supported, ignoring");
    if (p->scheduler.set)
        strv_add(warnings, "process.scheduler is not supported, ignoring");
}

static void set_user(const struct oci_user *u, uint32_t umask, struct plan_process *ret)
{
    ret->uid = u->uid;
    ret->gid = u->gid;
    ret->umask = u->umask != OCI_UMASK_UNSET ? u->umask : umask;
    if (u->n_gids > 0)
        ret->gids = xmemdup(u->gids, u->n_gids * sizeof(*u->gids));
    ret->n_gids = u->n_gids;
}

static void set_flags(const struct oci_process *p, const struct oci_i64 *oom,
                      struct plan_process *ret)
{
    ret->flags |= PLAN_P_STDIN;
    if (p->terminal)
        ret->flags |= PLAN_P_TERMINAL;
    if (p->no_new_privs)
        ret->flags |= PLAN_P_NO_NEW_PRIVS;
    if (oom->set)
        ret->flags |= PLAN_P_OOM_SCORE;
    ret->oom_score_adj = (int32_t)oom->value;
    ret->rows = p->rows;
    ret->cols = p->cols;
}

/* `of` is where exec takes what p leaves open: the container's own process. */
static int build(const struct oci_process *p, const struct oci_process *of,
                 const struct oci_seccomp *seccomp, const char *arch, struct plan_process *ret,
                 struct strv *warnings, struct err *err)
{
    int r;

    if ((r = check(p, err)) < 0)
        return r;
    list_from_strv(&p->args, &ret->args);
    list_from_strv(&p->env, &ret->env);
    ret->cwd = xstrdup(p->cwd);
    set_user(&p->user, of->user.umask, ret);
    set_flags(p, p->oom_score_adj.set ? &p->oom_score_adj : &of->oom_score_adj, ret);
    set_caps(p->has_caps ? p : of, ret, warnings);
    note_ignored(p, warnings);
    if ((r = set_rlimits(p->n_rlimits > 0 ? p : of, ret, err)) < 0)
        return r;
    return build_seccomp(seccomp, arch, ret, err);
}

int plan_process_build(const struct oci_process *p, const struct oci_spec *container,
                       const struct plan_input *in, struct plan_process *ret, struct strv *warnings,
                       struct err *err)
{
    struct plan_process out = {0};
    struct strv ignored = {0};
    int r = build(p, &container->process, &container->linux_.seccomp, in->arch, &out,
                  warnings ? warnings : &ignored, err);

    strv_done(&ignored);
    if (r < 0) {
        plan_process_done(&out);
        return r;
    }
    *ret = out;
    return 0;
}
