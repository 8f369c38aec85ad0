/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.h - the tables of anyvisor.yaml.
 * For core/config only; schema.c is the one place where a key is added.
 */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H
#include "config/config.h"
#include "config/reader.h"

struct config_file {
    struct config c;
    uint64_t version; /* 0: the key was missing */
};

extern const struct yaml_key config_schema[];

/* match.c; into a struct config_match */
extern const struct yaml_key match_keys[];

/* lists.c: classes[].volumes, annotations.allow */
extern const struct yaml_key volume_keys[], allow_keys[];
YAML_READER(read_volumes); /* into a struct config_class */
YAML_READER(read_allow);   /* into a struct config_allow_list */

void config_allow_done(struct config_allow_list *l);
void config_volumes_done(struct config_class *c);
/* config.c: numbers before the first file is read; everything else that no file has said */
void config_init(struct config *c);
void config_fill(struct config *c, const char *dir);
void config_class_init(struct config_class *c);
void config_class_done(struct config_class *c);

#endif
