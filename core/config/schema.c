/* SPDX-License-Identifier: Apache-2.0 */
#include "config/schema.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define SCHEME_CHARS "abcdefghijklmnopqrstuvwxyz0123456789+"
#define AT(member) offsetof(struct config_file, c.member)

static const char *const storage_words[] = {"9pfs", "block", "network", NULL};

static const char *const share_caches[] = {"none", "mmap", "loose", NULL};
static const char *const share_models[] = {"passthrough", "none", "mapped-xattr", NULL};
static const char *const tmp_kinds[] = {"share", "tmpfs", NULL};
static const char *const scratch_kinds[] = {"disk", "tmpfs", NULL};

#define STORAGE(member) offsetof(struct config_storage, member)
/* Linux's virtio transport carries 125 pages in one message. */
static const struct yaml_key share_keys[] = {
    {"msize", yaml_size, STORAGE(share.msize), .min = 4 * KIB, .max = 500 * KIB},
    {"cache", yaml_word, STORAGE(share.cache), NULL, share_caches},
    {"security_model", yaml_word, STORAGE(share.security_model), NULL, share_models},
    {NULL},
};

static const struct yaml_key tmp_keys[] = {
    {"kind", yaml_word, STORAGE(tmp.kind), NULL, tmp_kinds},
    {"size", yaml_size_auto, STORAGE(tmp.size), .min = MIB, .max = 1024 * GIB},
    {NULL},
};

static const struct yaml_key scratch_keys[] = {
    {"kind", yaml_word, STORAGE(scratch.kind), NULL, scratch_kinds},
    {"size", yaml_size_auto, STORAGE(scratch.size), .min = 16 * MIB, .max = 64 * 1024 * GIB},
    {NULL},
};

static const struct yaml_key storage_keys[] = {
    {"rootfs", yaml_words, STORAGE(rootfs), NULL, storage_words},
    {"volumes", yaml_words, STORAGE(volumes), NULL, storage_words},
    {"9pfs", yaml_map, 0, share_keys},
    {"tmp", yaml_map, 0, tmp_keys},
    {"scratch", yaml_map, 0, scratch_keys},
    {NULL},
};

#define VM(member) offsetof(struct config_vm, member)
static const struct yaml_key vm_keys[] = {
    {"vcpus", yaml_count, VM(vcpus)},
    {"memory", yaml_memory, VM(memory)},
    {"memory_overhead", yaml_size, VM(memory_overhead)},
    {"kernel", yaml_path, VM(kernel)},
    {"image", yaml_path, VM(image)},
    {"kernel_args", yaml_string, VM(kernel_args)},
    {"machine", yaml_string, VM(machine)},
    {"cpu_model", yaml_string, VM(cpu_model)},
    {"options", yaml_kvs, VM(options)},
    {NULL},
};

static const struct yaml_key defaults_keys[] = {
    {"hypervisor", yaml_words, AT(hypervisor)},
    {"storage", yaml_map, AT(storage), storage_keys},
    {"vm", yaml_map, AT(vm), vm_keys},
    {"boot_timeout", yaml_duration, AT(boot_timeout_s)},
    {NULL},
};

#define MATCH(member) offsetof(struct config_match, member)
static const struct yaml_key match_keys[] = {
    {"pod_namespace", yaml_string, MATCH(pod_namespace)},
    {"pod_name", yaml_string, MATCH(pod_name)},
    {"image", yaml_string, MATCH(image)},
    {"user", yaml_string, MATCH(user)},
    {"runtime", yaml_string, MATCH(runtime)},
    {"arch", yaml_string, MATCH(arch)},
    {"class", yaml_string, MATCH(cls)},
    {"annotations", yaml_kvs, MATCH(annotations)},
    {NULL},
};

#define VOLUME(member) offsetof(struct config_volume, member)
static const struct yaml_key volume_keys[] = {
    {"destination", yaml_string, VOLUME(destination)},
    {"source", yaml_string, VOLUME(source)},
    {"type", yaml_string, VOLUME(type)},
    {"secret", yaml_string, VOLUME(secret)},
    {"options", yaml_strings, VOLUME(options)},
    {"readonly", yaml_bool, VOLUME(readonly)},
    {NULL},
};

static void check_volume(struct yaml_reader *y, const yaml_node_t *node,
                         const struct config_class *c)
{
    const struct config_volume *self = &c->volumes[c->n_volumes - 1];

    if (!self->destination || self->destination[0] != '/')
        yaml_fail(y, node, "a volume needs a 'destination', an absolute path in the container");
    else if (!self->source)
        yaml_fail(y, node, "the volume for '%s' needs a 'source'", self->destination);
    else if (strncmp(self->source + strspn(self->source, SCHEME_CHARS), ":", 1) != 0)
        yaml_fail(y, node, "the source of the volume for '%s' is no URI", self->destination);
    for (size_t i = 0; y->code == 0 && i + 1 < c->n_volumes; i++)
        if (strcmp(c->volumes[i].destination, self->destination) == 0)
            yaml_fail(y, node, "there are two volumes for '%s'", self->destination);
}

static YAML_READER(read_volumes)
{
    struct config_class *c = to;
    yaml_node_t *item;

    for (size_t i = 0; (item = yaml_item(y, node, i)); i++) {
        c->volumes = xreallocarray(c->volumes, c->n_volumes + 1, sizeof(*c->volumes));
        c->volumes[c->n_volumes++] = (struct config_volume){0};
        yaml_mapping(y, item, key->sub, &c->volumes[c->n_volumes - 1]);
        if (y->code == 0)
            check_volume(y, item, c);
    }
}

#define CLASS(member) offsetof(struct config_class, member)
static const struct yaml_key class_keys[] = {
    {"name", yaml_string, CLASS(name)},
    {"match", yaml_map, CLASS(match), match_keys},
    {"hypervisor", yaml_words, CLASS(hypervisor)},
    {"storage", yaml_map, CLASS(storage), storage_keys},
    {"vm", yaml_map, CLASS(vm), vm_keys},
    {"volumes", read_volumes, 0, volume_keys},
    {"selectable", yaml_bool, CLASS(selectable)},
    {NULL},
};

static const struct yaml_key annotation_keys[] = {
    {"allow", yaml_strings, AT(annotations_allow)},
    {NULL},
};

static bool pattern_given(const struct config_match *m)
{
    return m->pod_namespace || m->pod_name || m->image || m->user || m->runtime || m->arch ||
           m->cls || m->annotations.n > 0;
}

static void check_class(struct yaml_reader *y, const yaml_node_t *node, const struct config *c)
{
    const struct config_class *self = &c->classes[c->n_classes - 1];

    if (!self->name) {
        yaml_fail(y, node, "a class needs a 'name'");
        return;
    }
    if (strcmp(self->name, "default") == 0)
        yaml_fail(y, node, "'default' is the name of what matches no class");
    for (size_t i = 0; i + 1 < c->n_classes; i++)
        if (strcmp(c->classes[i].name, self->name) == 0)
            yaml_fail(y, node, "class '%s' is there twice, first in line %u", self->name,
                      c->classes[i].line);
    if (self->match.cls && !self->selectable)
        yaml_fail(y, node,
                  "class '%s': match.class is what a workload asks for, it needs "
                  "'selectable: true'",
                  self->name);
    if (!pattern_given(&self->match) && !self->selectable)
        yaml_fail(y, node,
                  "class '%s' has neither 'match' nor 'selectable: true', nothing can be in it",
                  self->name);
}

static YAML_READER(read_classes)
{
    struct config *c = to;
    yaml_node_t *item;

    for (size_t i = 0; (item = yaml_item(y, node, i)); i++) {
        c->classes = xreallocarray(c->classes, c->n_classes + 1, sizeof(*c->classes));
        config_class_init(&c->classes[c->n_classes]);
        c->classes[c->n_classes].line = (unsigned)item->start_mark.line + 1;
        c->n_classes++;
        yaml_mapping(y, item, key->sub, &c->classes[c->n_classes - 1]);
        if (y->code == 0)
            check_class(y, item, c);
    }
}

static YAML_READER(read_version)
{
    const char *text = yaml_text(y, node, "a number");

    (void)key;
    if (text && str_to_u64(text, 1, 1, to) < 0)
        yaml_fail(y, node, "version '%s' is not known, this program reads version 1", text);
}

static const struct yaml_key cache_keys[] = {
    {"dir", yaml_path, AT(cache.dir)},
    {"max_size", yaml_size, AT(cache.max_size)},
    {NULL},
};

static const struct yaml_key host_storage_keys[] = {
    {"cache", yaml_map, 0, cache_keys},
    {"secrets_dir", yaml_path, AT(secrets_dir)},
    {NULL},
};

const struct yaml_key config_schema[] = {
    {"version", read_version, offsetof(struct config_file, version)},
    {"plugins_dir", yaml_path, AT(plugins_dir)},
    {"defaults", yaml_map, 0, defaults_keys},
    {"storage", yaml_map, 0, host_storage_keys},
    {"classes", read_classes, 0, class_keys},
    {"annotations", yaml_map, 0, annotation_keys},
    {NULL},
};
