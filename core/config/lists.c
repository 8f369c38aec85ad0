/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of mappings: classes[].volumes, annotations.allow. */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "config/schema.h"

#define SCHEME_CHARS "abcdefghijklmnopqrstuvwxyz0123456789+"

static void volume_done(struct config_volume *v)
{
    free(v->destination);
    free(v->source);
    free(v->type);
    free(v->secret);
    strv_done(&v->options);
}

void config_volumes_done(struct config_class *c)
{
    for (size_t i = 0; i < c->n_volumes; i++)
        volume_done(&c->volumes[i]);
    free(c->volumes);
}

#define VOLUME(member) offsetof(struct config_volume, member)
const struct yaml_key volume_keys[] = {
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

YAML_READER(read_volumes)
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

void config_allow_done(struct config_allow_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->v[i].key);
        strv_done(&l->v[i].values);
    }
    free(l->v);
    *l = (struct config_allow_list){NULL, 0, false};
}

#define ALLOW(member) offsetof(struct config_allow, member)
const struct yaml_key allow_keys[] = {
    {"key", yaml_string, ALLOW(key)},
    {"min", yaml_size, ALLOW(min)},
    {"max", yaml_size, ALLOW(max)},
    {"values", yaml_strings, ALLOW(values)},
    {NULL},
};

static void check_allow(struct yaml_reader *y, const yaml_node_t *node,
                        const struct config_allow *a)
{
    if (!a->key)
        yaml_fail(y, node, "an entry needs a 'key', a pattern of annotation keys");
    else if (a->min != CONFIG_UNSET && a->max != CONFIG_UNSET && a->min > a->max)
        yaml_fail(y, node, "'%s': min %" PRIu64 " is more than max %" PRIu64, a->key, a->min,
                  a->max);
}

/* "PATTERN", or a mapping with bounds. */
YAML_READER(read_allow)
{
    struct config_allow_list *l = to;
    yaml_node_t *item;

    config_allow_done(l); /* an earlier file's */
    l->given = true;
    for (size_t i = 0; (item = yaml_item(y, node, i)); i++) {
        struct config_allow *a;

        l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
        a = &l->v[l->n++];
        *a = (struct config_allow){.min = CONFIG_UNSET, .max = CONFIG_UNSET};
        a->line = (unsigned)item->start_mark.line + 1;
        a->column = (unsigned)item->start_mark.column + 1;
        if (item->type == YAML_MAPPING_NODE)
            yaml_mapping(y, item, key->sub, a);
        else
            yaml_string(y, item, key, &a->key);
        if (y->code == 0)
            check_allow(y, item, a);
    }
}
