/* SPDX-License-Identifier: Apache-2.0 */
/* The VM that a template is of, by the facts that it was made with: the other way round. */
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "cli/creation/from_template.h"

static const char *fact(const struct kvs *facts, const char *name)
{
    const char *value = kvs_get(facts, name);

    return value ? value : "";
}

/* NULL: the class had no word of its own for it. */
static char *word(const struct kvs *facts, const char *name)
{
    const char *value = fact(facts, name);

    return *value ? xstrdup(value) : NULL;
}

/* "PATH: what it was" */
static char *file(const struct kvs *facts, const char *name)
{
    const char *value = fact(facts, name);

    return xstrndup(value, strcspn(value, ":"));
}

static uint64_t number(const struct kvs *facts, const char *name)
{
    uint64_t n = 0;

    (void)str_to_u64(fact(facts, name), 0, UINT64_MAX, &n);
    return n;
}

static int find_back_end(struct choice *c, const char *name, struct err *err)
{
    for (size_t i = 0; i < c->descriptors.n; i++)
        if (strcmp(c->descriptors.v[i].name, name) == 0) {
            c->back_end = &c->descriptors.v[i];
            return 0;
        }
    return err_set(err, ENOENT, "it is of back-end '%s', which has no descriptor any more", name);
}

/* What the class has added to the arguments that all have. */
static int take_arguments(struct creation *c, const struct kvs *facts, struct err *err)
{
    struct decision *d = &c->choice.decision;
    cleanup_call(boot_files_done) struct boot_files boot = {0};
    const char *all = fact(facts, "arguments");
    size_t len;

    choice_boot_files(c->cli, &c->choice, NULL, &boot);
    len = strlen(boot.cmdline);
    if (strncmp(all, boot.cmdline, len) != 0 || (all[len] && all[len] != ' '))
        return err_set(err, ESTALE, "its kernel was given '%s', of another version of anyvisor",
                       all);
    d->kernel_args = all[len] ? xstrdup(all + len + 1) : NULL;
    return 0;
}

static void take_options(const struct kvs *facts, struct kvs *ret)
{
    static const char prefix[] = "option.";

    for (size_t i = 0; i < facts->n; i++)
        if (str_starts_with(facts->v[i].key, prefix))
            kvs_add(ret, facts->v[i].key + sizeof(prefix) - 1, facts->v[i].value);
}

int from_template_like(struct creation *c, const struct kvs *facts, struct err *err)
{
    struct choice *k = &c->choice;
    struct decision *d = &k->decision;
    int r = policy_storage(&k->config, POLICY_CLASS_DEFAULT, &k->workload, d, err);

    if (r < 0 || (r = find_back_end(k, fact(facts, "hypervisor"), err)) < 0)
        return r;
    d->size.vcpus = (uint32_t)number(facts, "vcpus");
    d->size.vcpus_max = (uint32_t)number(facts, "vcpus_max");
    d->size.memory = number(facts, "memory");
    d->size.memory_max = number(facts, "memory_max");
    d->machine = word(facts, "machine");
    d->cpu_model = word(facts, "cpu");
    d->kernel = file(facts, "file.kernel");
    d->image = file(facts, "file.image");
    d->boot_timeout_s = k->config.boot_timeout_s;
    d->storage.security_model =
        *fact(facts, "security_model") ? fact(facts, "security_model") : NULL;
    take_options(facts, &d->vm_options);
    if ((r = take_arguments(c, facts, err)) < 0 || number(facts, "nics") == 0)
        return r;
    return network_prepare_alone(d->size.vcpus, &c->nics, err);
}
