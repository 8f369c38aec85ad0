/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the .so, of its table, and of an instance, before there is a VM. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "kit/internal.h"

/* A core with a larger struct than the plug-in knows. */
struct larger_caps {
    struct hvp_caps known;
    unsigned char future[64];
};

static void check_symbols(struct kit *k)
{
    char names[256];
    int r = kit_foreign_symbols(k->o->d->so, names, sizeof(names));

    if (r < 0)
        kit_skip(k, "only the entry is exported", "%s", strerror(-r));
    else
        kit_that(k, !names[0], "only the entry is exported", "it also exports: %s", names);
}

static void check_keys(struct kit *k)
{
    if (!k->ops->config) {
        kit_that(k, !k->ops->help[0], "without keys there is no help for keys",
                 "there is no config op, but help says: %s", k->ops->help);
        return;
    }
    kit_errno(k, KIT_CALL(k, config, k->inst, "no_such_key", "1"), EINVAL,
              "an unknown key is refused");
}

static bool load(struct kit *k, void **inst)
{
    *inst = NULL;
    if (!kit_ok(k, KIT_CALL(k, load, &k->host, inst), "an instance is made"))
        return false;
    for (size_t i = 0; i < k->o->d->n_config; i++) {
        const struct descriptor_key *key = &k->o->d->config[i];

        if (!k->ops->config ||
            !kit_ok(k, KIT_CALL(k, config, *inst, key->key, key->value), "a key is taken"))
            return false;
    }
    return kit_that(k, *inst != NULL, "load gives an instance", "it gave NULL");
}

/* Cleaning up must not depend on a probe. */
static void check_before_probe(struct kit *k)
{
    void *vm = NULL;

    kit_refused(k, KIT_CALL(k, vm_reopen, k->inst, "nonsense", KIT_OP_MS, &vm),
                "without a probe, nonsense is no reference");
    kit_that(k, vm == NULL, "a failing vm_reopen writes no handle", "it did");
    kit_step(k, "vm_close");
    k->ops->vm_close(NULL);
}

static void check_second(struct kit *k)
{
    void *second = NULL;

    if (!kit_ok(k, KIT_CALL(k, load, &k->host, &second), "there may be a second instance"))
        return;
    kit_that(k, second != k->inst, "it is another one", "both are the same");
    kit_step(k, "unload");
    k->ops->unload(second);
}

void kit_check_instance(struct kit *k)
{
    k->area = "abi";
    check_symbols(k);
    if (!load(k, &k->inst))
        return;
    check_keys(k);
    check_before_probe(k);
    check_second(k);
}

static bool all_zero(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

static void note_caps(struct kit *k)
{
    char words[512] = "";
    size_t used = 0;

    for (unsigned bit = 0; bit < 64; bit++)
        if (kit_has(k, UINT64_C(1) << bit) && plugin_cap_name(bit) && used < sizeof(words))
            used +=
                (size_t)snprintf(words + used, sizeof(words) - used, " %s", plugin_cap_name(bit));
    kit_note(k, "%s %s, machine %s, accel %s; claims:%s. %s", k->caps.hypervisor, k->caps.version,
             k->caps.machine, k->caps.accel, words, k->caps.note);
}

/* A failing probe is an answer, and must leave the caps alone. */
static void refusal(struct kit *k, const struct hvp_caps *caps)
{
    char why[sizeof(k->err.msg)];

    snprintf(why, sizeof(why), "%s", k->err.msg);
    kit_that(k, caps->flags == 0, "a failing probe claims nothing", "it set capabilities");
    kit_skip(k, "everything that needs a VM", "this host cannot run any: %s", why);
}

bool kit_check_probe(struct kit *k)
{
    struct larger_caps large = {.known = {.struct_size = sizeof(large)}};
    struct err err = ERR_INIT;
    int r = KIT_CALL(k, probe, k->inst, &large.known, KIT_OP_MS);

    k->area = "claims";
    kit_that(k, all_zero(large.future, sizeof(large.future)),
             "probe writes no further than it knows", "it wrote behind the struct of its header");
    if (r < 0) {
        refusal(k, &large.known);
        return false;
    }
    k->caps = large.known;
    r = plugin_probe(k->opened, KIT_OP_MS, NULL, &err);
    if (!kit_that(k, r == 0, "every claim has what it obliges", "%s", err.msg))
        return false;
    k->caps.struct_size = sizeof(k->caps);
    kit_that(k,
             k->caps.flags == plugin_caps(k->opened)->flags &&
                 k->caps.hotplug == plugin_caps(k->opened)->hotplug,
             "a second probe claims the same", "it claims something else");
    note_caps(k);
    k->shared->info.caps = k->caps;
    k->shared->probed = true;
    return true;
}
