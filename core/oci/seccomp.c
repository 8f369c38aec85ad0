/* SPDX-License-Identifier: Apache-2.0 */
/* `linux.seccomp` of config.json; what the words mean is core/plan's business. */
#include "oci/reader.h"

static void read_arg(struct reader *r, json_object *obj, void *dest)
{
    struct oci_seccomp_arg *a = dest;

    rd_u32(r, obj, "index", &a->index);
    rd_u64(r, obj, "value", UINT64_MAX, &a->value);
    rd_u64(r, obj, "valueTwo", UINT64_MAX, &a->value_two);
    rd_need_str(r, obj, "op", &a->op);
    if (!r->code && a->index > 5)
        rd_fail(r, "index", "a system call has the arguments 0 to 5");
}

static void read_rule(struct reader *r, json_object *obj, void *dest)
{
    struct oci_seccomp_rule *rule = dest;

    rd_strv(r, obj, "names", &rule->names);
    rd_need_str(r, obj, "action", &rule->action);
    rd_opt_u64(r, obj, "errnoRet", &rule->errno_ret);
    rd_list(r, obj, "args", sizeof(struct oci_seccomp_arg), read_arg, &rule->args, &rule->n_args);
    if (!r->code && rule->names.n == 0)
        rd_fail(r, "names", "must name at least one system call");
}

void read_seccomp(struct reader *r, json_object *obj, struct oci_seccomp *s)
{
    s->present = true;
    rd_need_str(r, obj, "defaultAction", &s->default_action);
    rd_opt_u64(r, obj, "defaultErrnoRet", &s->default_errno);
    rd_strv(r, obj, "architectures", &s->architectures);
    rd_strv(r, obj, "flags", &s->flags);
    rd_str(r, obj, "listenerPath", &s->listener_path);
    rd_list(r, obj, "syscalls", sizeof(struct oci_seccomp_rule), read_rule, &s->rules, &s->n_rules);
}
