/* SPDX-License-Identifier: Apache-2.0 */
#include "state/state.h"
#include <json-c/json.h>
#include "base/cleanup.h"

static void put(struct json_object *o, const char *key, const char *value)
{
    json_object_object_add(o, key, json_object_new_string(value ? value : ""));
}

static void put_annotations(struct json_object *o, const struct kvs *l)
{
    struct json_object *a;

    if (l->n == 0)
        return;
    a = json_object_new_object();
    for (size_t i = 0; i < l->n; i++)
        put(a, l->v[i].key, l->v[i].value);
    json_object_object_add(o, "annotations", a);
}

char *state_oci_json(const struct state *s, enum state_status status)
{
    struct json_object *o = json_object_new_object();
    char *text;

    put(o, "ociVersion", s->oci_version);
    put(o, "id", s->id);
    json_object_object_add(o, "pid",
                           json_object_new_int(status == STATE_STOPPED ? 0 : s->proxy.pid));
    put(o, "status", state_status_name(status));
    put(o, "bundle", s->bundle);
    put(o, "rootfs", s->rootfs);
    put(o, "created", s->created);
    put_annotations(o, &s->annotations);
    put(o, "owner", s->owner);
    text = xstrdup(json_object_to_json_string_ext(
        o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
    return text;
}
