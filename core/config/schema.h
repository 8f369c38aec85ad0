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

void config_class_init(struct config_class *c);
void config_class_done(struct config_class *c);

#endif
