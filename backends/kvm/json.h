/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.h - members of JSON objects by type, so that building one reads as a list.
 * For device.c and disk.c, which say everything to QEMU in JSON.
 */
#ifndef KVM_JSON_H
#define KVM_JSON_H
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

static inline void json_add_text(struct json_object *o, const char *key, const char *value)
{
    json_object_object_add(o, key, json_object_new_string(value));
}

static inline void json_add_bool(struct json_object *o, const char *key, bool value)
{
    json_object_object_add(o, key, json_object_new_boolean(value));
}

static inline void json_add_int(struct json_object *o, const char *key, int64_t value)
{
    json_object_object_add(o, key, json_object_new_int64(value));
}

#endif
