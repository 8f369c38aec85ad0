/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `linux.seccomp` -> a BPF program for the guest's architecture, made on the host so that the agent
 * needs no library. The rules of translation are runc's.
 */
#include <errno.h>
#include <stdlib.h>
#include <seccomp.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "plan/internal.h"
#include "plan/seccomp_enosys.h"

#define PROGRAM_MAX (4096u * 8u) /* BPF_MAXINSNS of struct sock_filter */

struct job {
    const struct oci_seccomp *s;
    scmp_filter_ctx ctx;
    uint32_t default_action;
    uint32_t own_arch; /* libseccomp's token of the guest */
    struct err *err;
};

static const struct {
    const char *uname; /* of the guest */
    const char *name;  /* in the profile */
    uint32_t token;
} arches[] = {
    /* the first line of each guest is its own */
    {"x86_64", "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64},
    {"x86_64", "SCMP_ARCH_X86", SCMP_ARCH_X86},
    {"x86_64", "SCMP_ARCH_X32", SCMP_ARCH_X32},
    {"aarch64", "SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64},
    {"aarch64", "SCMP_ARCH_ARM", SCMP_ARCH_ARM},
    {"ppc64le", "SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE},
    {"s390x", "SCMP_ARCH_S390X", SCMP_ARCH_S390X},
    {"s390x", "SCMP_ARCH_S390", SCMP_ARCH_S390},
};

static const struct {
    const char *name;
    enum scmp_compare op;
} operators[] = {
    {"SCMP_CMP_NE", SCMP_CMP_NE},
    {"SCMP_CMP_LT", SCMP_CMP_LT},
    {"SCMP_CMP_LE", SCMP_CMP_LE},
    {"SCMP_CMP_EQ", SCMP_CMP_EQ},
    {"SCMP_CMP_GE", SCMP_CMP_GE},
    {"SCMP_CMP_GT", SCMP_CMP_GT},
    {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
};

static int fail(struct job *j, int code, const char *what, const char *word)
{
    return err_set_phase(j->err, PHASE_CONFIG, code, "config.json: linux.seccomp: %s '%s'", what,
                         word);
}

static int parse_action(struct job *j, const char *name, const struct oci_u64 *errno_ret,
                        uint32_t *ret)
{
    uint16_t code = errno_ret->set ? (uint16_t)errno_ret->value : EPERM;

    if (strcmp(name, "SCMP_ACT_KILL") == 0 || strcmp(name, "SCMP_ACT_KILL_THREAD") == 0)
        *ret = SCMP_ACT_KILL_THREAD;
    else if (strcmp(name, "SCMP_ACT_KILL_PROCESS") == 0)
        *ret = SCMP_ACT_KILL_PROCESS;
    else if (strcmp(name, "SCMP_ACT_TRAP") == 0)
        *ret = SCMP_ACT_TRAP;
    else if (strcmp(name, "SCMP_ACT_ERRNO") == 0)
        *ret = SCMP_ACT_ERRNO(code);
    else if (strcmp(name, "SCMP_ACT_TRACE") == 0)
        *ret = SCMP_ACT_TRACE(code);
    else if (strcmp(name, "SCMP_ACT_ALLOW") == 0)
        *ret = SCMP_ACT_ALLOW;
    else if (strcmp(name, "SCMP_ACT_LOG") == 0)
        *ret = SCMP_ACT_LOG;
    else if (strcmp(name, "SCMP_ACT_NOTIFY") == 0)
        return fail(j, ENOTSUP, "the listener would be on the host, a VM cannot use action", name);
    else
        return fail(j, EINVAL, "unknown action", name);
    return 0;
}

/* The guest's own architecture always; of those listed the ones its kernel can run. */
static int set_arches(struct job *j, const char *guest)
{
    bool own = true;

    seccomp_arch_remove(j->ctx, SCMP_ARCH_NATIVE); /* first: one byte order per filter */
    for (size_t i = 0; i < ARRAY_SIZE(arches); i++) {
        int r;

        if (strcmp(arches[i].uname, guest) != 0)
            continue;
        if (own || strv_has(&j->s->architectures, arches[i].name))
            if ((r = seccomp_arch_add(j->ctx, arches[i].token)) < 0)
                return fail(j, -r, "cannot add architecture", arches[i].name);
        if (own)
            j->own_arch = arches[i].token;
        own = false;
    }
    if (own)
        return fail(j, ENOTSUP, "no filters for guests of architecture", guest);
    return 0;
}

static int parse_arg(struct job *j, const struct oci_seccomp_arg *a, struct scmp_arg_cmp *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(operators); i++)
        if (strcmp(operators[i].name, a->op) == 0) {
            *ret = (struct scmp_arg_cmp){a->index, operators[i].op, a->value, a->value_two};
            return 0;
        }
    return fail(j, EINVAL, "unknown operator", a->op);
}

/* A rule that says the same twice is no mistake: profiles repeat themselves. */
static int add_rule(struct job *j, uint32_t action, int nr, unsigned n,
                    const struct scmp_arg_cmp *args, const char *name)
{
    int r = seccomp_rule_add_array(j->ctx, action, nr, n, args);

    return r < 0 && r != -EEXIST ? fail(j, -r, "cannot add a rule for", name) : 0;
}

static bool index_twice(const struct scmp_arg_cmp *args, size_t n)
{
    unsigned seen = 0;

    for (size_t i = 0; i < n; i++) {
        if (seen & (1u << args[i].arg))
            return true;
        seen |= 1u << args[i].arg;
    }
    return false;
}

/* Two conditions on one argument: runc takes them as alternatives, each a rule of its own. */
static int add_syscall(struct job *j, uint32_t action, const char *name,
                       const struct scmp_arg_cmp *args, size_t n)
{
    int nr = seccomp_syscall_resolve_name(name), r = 0;

    if (nr == __NR_SCMP_ERROR) /* newer than libseccomp, or of another architecture */
        return 0;
    if (!index_twice(args, n))
        return add_rule(j, action, nr, (unsigned)n, args, name);
    for (size_t i = 0; i < n && r == 0; i++)
        r = add_rule(j, action, nr, 1, &args[i], name);
    return r;
}

static int add_oci_rule(struct job *j, const struct oci_seccomp_rule *rule)
{
    struct scmp_arg_cmp args[64];
    uint32_t action;
    int r = parse_action(j, rule->action, &rule->errno_ret, &action);

    if (r < 0 || action == j->default_action) /* the default says so already */
        return r;
    if (rule->n_args > ARRAY_SIZE(args))
        return fail(j, E2BIG, "too many conditions for", rule->names.v[0]);
    for (size_t i = 0; i < rule->n_args; i++)
        if ((r = parse_arg(j, &rule->args[i], &args[i])) < 0)
            return r;
    for (size_t i = 0; i < rule->names.n && r == 0; i++)
        r = add_syscall(j, action, rule->names.v[i], args, rule->n_args);
    return r;
}

/* Without any flag runc asks for SPEC_ALLOW. TSYNC means nothing before exec: one thread. */
static int parse_flags(struct job *j, uint32_t *ret)
{
    uint32_t flags = j->s->flags.n == 0 ? SECCOMP_FILTER_FLAG_SPEC_ALLOW : 0;

    for (size_t i = 0; i < j->s->flags.n; i++) {
        const char *name = j->s->flags.v[i];

        if (strcmp(name, "SECCOMP_FILTER_FLAG_LOG") == 0)
            flags |= SECCOMP_FILTER_FLAG_LOG;
        else if (strcmp(name, "SECCOMP_FILTER_FLAG_SPEC_ALLOW") == 0)
            flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
        else if (strcmp(name, "SECCOMP_FILTER_FLAG_TSYNC") != 0)
            return fail(j, ENOTSUP, "unsupported flag", name);
    }
    *ret = flags;
    return 0;
}

static int export_program(struct job *j, uint8_t **ret, size_t *ret_len)
{
    cleanup_fd int fd = memfd_create("seccomp", MFD_CLOEXEC);
    char *program = NULL;
    size_t len;
    int r;

    if (fd < 0)
        return err_set(j->err, errno, "memfd_create: %m");
    if ((r = seccomp_export_bpf(j->ctx, fd)) < 0)
        return err_set_phase(j->err, PHASE_CONFIG, -r,
                             "config.json: linux.seccomp: cannot compile");
    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_set(j->err, errno, "memfd: %m");
    if ((r = fd_read_all(fd, PROGRAM_MAX, &program, &len, j->err)) < 0)
        return err_wrap(j->err, "config.json: linux.seccomp: more than 4096 instructions");
    *ret = (uint8_t *)program;
    *ret_len = len;
    return 0;
}

static int compile(struct job *j, const char *arch, struct plan_process *ret)
{
    uint32_t flags = 0;
    uint8_t *program = NULL;
    size_t len = 0;
    int r;

    if ((r = set_arches(j, arch)) < 0 || (r = parse_flags(j, &flags)) < 0)
        return r;
    for (size_t i = 0; i < j->s->n_rules; i++)
        if ((r = add_oci_rule(j, &j->s->rules[i])) < 0)
            return r;
    if ((r = export_program(j, &program, &len)) < 0)
        return r;
    seccomp_add_enosys(j->s, j->default_action, j->own_arch, strcmp(arch, "s390x") == 0, &program,
                       &len);
    ret->seccomp = program;
    ret->seccomp_len = len;
    ret->seccomp_flags = flags;
    return 0;
}

int build_seccomp(const struct oci_seccomp *s, const char *arch, struct plan_process *ret,
                  struct err *err)
{
    struct job j = {.s = s, .err = err};
    int r;

    if (!s->present)
        return 0;
    if ((r = parse_action(&j, s->default_action, &s->default_errno, &j.default_action)) < 0)
        return r;
    if (s->listener_path && *s->listener_path)
        return fail(&j, ENOTSUP, "a VM cannot use listenerPath", s->listener_path);
    j.ctx = seccomp_init(j.default_action);
    if (!j.ctx)
        return fail(&j, EINVAL, "cannot use default action", s->default_action);
    r = compile(&j, arch, ret);
    seccomp_release(j.ctx);
    return r;
}
