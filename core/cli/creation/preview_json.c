/* SPDX-License-Identifier: Apache-2.0 */
#include <json-c/json.h>
#include <stdlib.h>
#include "base/cleanup.h"
#include "cli/creation/preview.h"

static void set_text(json_object *o, const char *key, const char *value)
{
    json_object_object_add(o, key, value ? json_object_new_string(value) : NULL);
}

static json_object *options_json(const struct decision *d)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; i < d->n_options; i++) {
        json_object *o = json_object_new_object();

        set_text(o, "hypervisor", d->options[i].name);
        set_text(o, "verdict", policy_verdict_name(d->options[i].verdict));
        set_text(o, "reason", d->options[i].reason);
        json_object_array_add(list, o);
    }
    return list;
}

static json_object *size_json(const struct decision *d)
{
    json_object *o = json_object_new_object();

    json_object_object_add(o, "vcpus", json_object_new_int64(d->size.vcpus));
    json_object_object_add(o, "memory", json_object_new_uint64(d->size.memory));
    json_object_object_add(o, "overhead", json_object_new_uint64(d->size.overhead));
    set_text(o, "vcpus_why", d->size.vcpus_why);
    set_text(o, "memory_why", d->size.memory_why);
    json_object_object_add(o, "memory_max", json_object_new_uint64(d->size.memory_max));
    set_text(o, "memory_max_why", d->size.memory_max_why);
    json_object_object_add(o, "vcpus_max", json_object_new_int64(d->size.vcpus_max));
    set_text(o, "vcpus_max_why", d->size.vcpus_max_why);
    set_text(o, "kernel", d->kernel);
    set_text(o, "image", d->image);
    set_text(o, "kernel_args", d->kernel_args);
    set_text(o, "template_scope", d->template_scope);
    set_text(o, "template_why", d->template_why);
    json_object_object_add(o, "boot_timeout_s", json_object_new_uint64(d->boot_timeout_s));
    return o;
}

static json_object *words_json(const struct strv *words)
{
    json_object *a = json_object_new_array();

    for (size_t i = 0; words && i < words->n; i++)
        json_object_array_add(a, json_object_new_string(words->v[i]));
    return a;
}

static json_object *decision_json(const struct preview *p)
{
    const struct choice *c = p->choice;
    const struct decision *d = &c->decision;
    json_object *root = json_object_new_object(), *storage = json_object_new_object();
    json_object *notes = json_object_new_array(), *network = json_object_new_object();

    set_text(root, "class", d->cls);
    set_text(root, "rule", d->rule);
    set_text(root, "hypervisor", c->back_end ? c->back_end->name : NULL);
    set_text(root, "descriptor", c->back_end ? c->back_end->file : NULL);
    json_object_object_add(root, "options", options_json(d));
    json_object_object_add(root, "vm", size_json(d));
    set_text(storage, "rootfs", d->rootfs_storage);
    set_text(storage, "volumes", d->volume_storage);
    json_object_object_add(root, "storage", storage);
    json_object_object_add(network, "attach", words_json(d->attach));
    json_object_object_add(root, "network", network);
    for (size_t i = 0; i < d->notes.n; i++)
        json_object_array_add(notes, json_object_new_string(d->notes.v[i]));
    json_object_object_add(root, "notes", notes);
    set_text(root, "error", p->failure);
    return root;
}

static json_object *pairs_json(const struct kvs *l)
{
    json_object *o = json_object_new_object();

    for (size_t i = 0; i < l->n; i++)
        set_text(o, l->v[i].key, l->v[i].value);
    return o;
}

static json_object *share_json(const struct decision *d)
{
    json_object *o = json_object_new_object();

    set_text(o, "type", "9p");
    json_object_object_add(o, "msize", json_object_new_uint64(d->storage.msize));
    set_text(o, "cache", d->storage.cache);
    set_text(o, "security_model", d->storage.security_model);
    return o;
}

static json_object *mount_json(const struct planned *d, const struct plan_mount *m)
{
    cleanup_free char *options = preview_options(m);
    json_object *o = json_object_new_object();

    set_text(o, "destination", m->dest);
    set_text(o, "kind", preview_kind(m));
    set_text(o, "options", options);
    set_text(o, "source", preview_source(&d->shares, m));
    return o;
}

static void add_mounts(json_object *to, const struct planned *d)
{
    const struct plan_mount root = preview_root(&d->plan);
    json_object *mounts = json_object_new_array(), *warnings = json_object_new_array();

    json_object_array_add(mounts, mount_json(d, &root));
    for (size_t i = 0; i < d->plan.n_mounts; i++)
        json_object_array_add(mounts, mount_json(d, &d->plan.mounts[i]));
    for (size_t i = 0; i < d->shares.warnings.n; i++)
        json_object_array_add(warnings, json_object_new_string(d->shares.warnings.v[i]));
    json_object_object_add(to, "mounts", mounts);
    json_object_object_add(to, "warnings", warnings);
}

static json_object *disk_json(const struct disk *disk)
{
    json_object *o = json_object_new_object();

    set_text(o, "tag", disk->ipc.tag);
    set_text(o, "source", disk->source);
    json_object_object_add(o, "readonly",
                           json_object_new_boolean(disk->ipc.flags & HVP_F_READONLY));
    return o;
}

static void add_disks(json_object *to, const struct disks *d)
{
    json_object *disks = json_object_new_array(), *why = json_object_new_array();

    for (size_t i = 0; i < d->n; i++)
        json_object_array_add(disks, disk_json(&d->v[i]));
    for (size_t i = 0; i < d->why.n; i++)
        json_object_array_add(why, json_object_new_string(d->why.v[i]));
    json_object_object_add(to, "disks", disks);
    json_object_object_add(to, "files", why);
}

static json_object *plan_json(const struct preview *p, const struct planned *d)
{
    const struct decision *c = &p->choice->decision;
    json_object *o = json_object_new_object();

    if (!p->owner) {
        set_text(o, "kernel", d->boot.kernel);
        set_text(o, "kernel_kind", d->boot.kind);
        set_text(o, "image", d->boot.image);
        set_text(o, "cmdline", d->boot.cmdline);
        set_text(o, "machine", c->machine);
        set_text(o, "cpu_model", c->cpu_model);
        json_object_object_add(o, "options", pairs_json(&c->vm_options));
        json_object_object_add(o, "share", share_json(c));
    }
    add_disks(o, p->disks);
    add_mounts(o, d);
    return o;
}

char *preview_json(const struct preview *p, const struct planned *d)
{
    json_object *root = decision_json(p);
    char *text;

    set_text(root, "joins", p->owner ? p->owner->state.id : NULL);
    json_object_object_add(root, "plan", d ? plan_json(p, d) : NULL);
    text = xstrdup(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY |
                                                            JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(root);
    return text;
}
