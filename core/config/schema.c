/* SPDX-License-Identifier: Apache-2.0 */
#include "config/schema.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define CLASSES_MAX 16384u /* of one file */
#define AT(member) offsetof(struct config_file, c.member)

static const char *const storage_words[] = {"9pfs", "block", "network", NULL};

static const char *const share_caches[] = {"none", "mmap", "loose", NULL};
static const char *const share_models[] = {"passthrough", "none", "mapped-xattr", NULL};
static const char *const attach_words[] = {"redirect", "macvtap", "direct", "bridge:", NULL};
static const char *const template_words[] = {"off", "shared", "tenant", NULL};
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
    {"images", yaml_strings, STORAGE(images)},
    {"9pfs", yaml_map, 0, share_keys},
    {"tmp", yaml_map, 0, tmp_keys},
    {"scratch", yaml_map, 0, scratch_keys},
    {NULL},
};

#define VM(member) offsetof(struct config_vm, member)
static const struct yaml_key vm_keys[] = {
    {"vcpus", yaml_count, VM(vcpus)},
    {"vcpus_max", yaml_number, VM(vcpus_max), .max = 1024},
    /* Less boots no guest kernel that we know, more has no machine. */
    {"memory", yaml_size_auto, VM(memory), .min = 64 * MIB, .max = 64 * 1024 * GIB},
    {"memory_max", yaml_size, VM(memory_max), .max = 64 * 1024 * GIB},
    {"memory_overhead", yaml_size, VM(memory_overhead)},
    {"kernel", yaml_path, VM(kernel)},
    {"image", yaml_path, VM(image)},
    {"kernel_args", yaml_string, VM(kernel_args)},
    {"machine", yaml_string, VM(machine)},
    {"cpu_model", yaml_string, VM(cpu_model)},
    {"options", yaml_kvs, VM(options)},
    {NULL},
};

#define POOL(member) offsetof(struct config_pool, member)
static const struct yaml_key pool_keys[] = {
    {"size", yaml_number, POOL(size), .max = 1000},
    {"min_free", yaml_number, POOL(min_free), .max = 1000},
    {"max_age", yaml_duration, POOL(max_age_s)},
    {NULL},
};

static const struct yaml_key network_keys[] = {
    {"attach", yaml_words, AT(attach), NULL, attach_words},
    {NULL},
};

static const struct yaml_key defaults_keys[] = {
    {"hypervisor", yaml_words, AT(hypervisor)},
    {"storage", yaml_map, AT(storage), storage_keys},
    {"network", yaml_map, 0, network_keys},
    {"vm", yaml_map, AT(vm), vm_keys},
    {"template", yaml_word, AT(template), NULL, template_words},
    {"pool", yaml_map, AT(pool), pool_keys},
    {"boot_timeout", yaml_duration, AT(boot_timeout_s)},
    {NULL},
};

static const struct yaml_key class_annotation_keys[] = {
    {"allow", read_allow, offsetof(struct config_class, allow), .sub = allow_keys},
    {NULL},
};

#define CLASS(member) offsetof(struct config_class, member)
static const struct yaml_key class_network_keys[] = {
    {"attach", yaml_words, CLASS(attach), NULL, attach_words},
    {NULL},
};

static const struct yaml_key class_keys[] = {
    {"name", yaml_string, CLASS(name)},
    {"match", yaml_map, CLASS(match), match_keys},
    {"hypervisor", yaml_words, CLASS(hypervisor)},
    {"storage", yaml_map, CLASS(storage), storage_keys},
    {"network", yaml_map, 0, class_network_keys},
    {"vm", yaml_map, CLASS(vm), vm_keys},
    {"template", yaml_word, CLASS(template), NULL, template_words},
    {"pool", yaml_map, CLASS(pool), pool_keys},
    {"volumes", read_volumes, 0, volume_keys},
    {"annotations", yaml_map, 0, class_annotation_keys},
    {"selectable", yaml_bool, CLASS(selectable)},
    {NULL},
};

static const struct yaml_key annotation_keys[] = {
    {"allow", read_allow, AT(allow), .sub = allow_keys},
    {NULL},
};

static void check_class(struct yaml_reader *y, const yaml_node_t *node, const struct config *c)
{
    const struct config_class *self = &c->classes[c->n_classes - 1];

    if (!self->name) {
        yaml_fail(y, node, "a class needs a 'name'");
        return;
    }
    if (strcmp(self->name, "default") == 0)
        yaml_fail(y, node, "'default' is the name of what matches no class");
    if (config_match_text(&self->match, FACT_CLASS) && !self->selectable)
        yaml_fail(y, node,
                  "class '%s': match.class is what a workload asks for, it needs "
                  "'selectable: true'",
                  self->name);
    if (self->match.n == 0 && !self->selectable)
        yaml_fail(y, node,
                  "class '%s' has neither 'match' nor 'selectable: true', nothing can be in it",
                  self->name);
}

static YAML_READER(read_classes)
{
    struct config *c = to;
    yaml_node_t *item;

    for (size_t i = 0; (item = yaml_item_of(y, node, i, CLASSES_MAX)); i++) {
        c->classes = xreallocarray(c->classes, c->n_classes + 1, sizeof(*c->classes));
        config_class_init(&c->classes[c->n_classes]);
        c->classes[c->n_classes].file = c->files.v[c->files.n - 1];
        c->classes[c->n_classes].line = (unsigned)item->start_mark.line + 1;
        c->classes[c->n_classes].column = (unsigned)item->start_mark.column + 1;
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

static const struct yaml_key templates_keys[] = {
    {"dir", yaml_path, AT(templates.dir)},
    {"max_age", yaml_duration, AT(templates.max_age_s)},
    {"max_uses", yaml_number, AT(templates.max_uses), .min = 1, .max = UINT32_MAX},
    {"max_size", yaml_size, AT(templates.max_size)},
    {NULL},
};

const struct yaml_key config_schema[] = {
    {"version", read_version, offsetof(struct config_file, version)},
    {"plugins_dir", yaml_path, AT(plugins_dir)},
    {"defaults", yaml_map, 0, defaults_keys},
    {"storage", yaml_map, 0, host_storage_keys},
    {"templates", yaml_map, 0, templates_keys},
    {"classes", read_classes, 0, class_keys},
    {"annotations", yaml_map, 0, annotation_keys},
    {NULL},
};
