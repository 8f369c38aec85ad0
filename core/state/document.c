/* SPDX-License-Identifier: Apache-2.0 */
/* state.json: struct state to JSON and back. What is read is checked: type by type, bounded. */
#include "state/state.h"
#include <json-c/json.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/path.h"

#define STATE_FILE "state.json"
#define STATE_FILE_MAX (16u << 20) /* annotations of a config.json of 8 MiB, escaped */
#define STATE_DEPTH 8
#define LIST_MAX 64

/* The plain members, written and read alike: strings, numbers of bytes. */
struct member {
    const char *key;
    size_t offset;
};

static const struct member text_members[] = {
    {"id", offsetof(struct state, id)},
    {"bundle", offsetof(struct state, bundle)},
    {"rootfs", offsetof(struct state, rootfs)},
    {"ociVersion", offsetof(struct state, oci_version)},
    {"created", offsetof(struct state, created)},
    {"sandbox", offsetof(struct state, sandbox)},
    {"runDir", offsetof(struct state, run_dir)},
    {"descriptor", offsetof(struct state, descriptor)},
    {"descriptorFile", offsetof(struct state, descriptor_file)},
    {"library", offsetof(struct state, library)},
    {"class", offsetof(struct state, class_name)},
    {"owner", offsetof(struct state, owner)},
    {"arch", offsetof(struct state, arch)},
};

static const struct member sizes[] = {
    {"memoryLimit", offsetof(struct state, memory_limit)},
    {"cpuLimit", offsetof(struct state, cpu_limit)},
    {"vmVcpusMax", offsetof(struct state, vm_vcpus_max)},
    {"vmMemory", offsetof(struct state, vm_memory)},
    {"vmMemoryMax", offsetof(struct state, vm_memory_max)},
    {"vmReserve", offsetof(struct state, vm_reserve)},
    {"vmOverhead", offsetof(struct state, vm_overhead)},
};

static char **text_of(const struct state *s, const struct member *m)
{
    return (char **)((char *)s + m->offset);
}

static uint64_t *size_of(const struct state *s, const struct member *m)
{
    return (uint64_t *)((char *)s + m->offset);
}

void state_done(struct state *s)
{
    for (size_t i = 0; i < ARRAY_SIZE(text_members); i++)
        free(*text_of(s, &text_members[i]));
    kvs_done(&s->annotations);
    strv_done(&s->cgroups);
    strv_done(&s->attach);
    strv_done(&s->scopes);
    *s = (struct state){0};
}

static void put_proc(struct json_object *o, const char *key, const struct proc_id *id)
{
    struct json_object *p = json_object_new_object();

    json_object_object_add(p, "pid", json_object_new_int64(id->pid));
    json_object_object_add(p, "startTime", json_object_new_uint64(id->start_time));
    json_object_object_add(o, key, p);
}

static void put_list(struct json_object *o, const char *key, const struct strv *list)
{
    struct json_object *a = json_object_new_array();

    for (size_t i = 0; i < list->n; i++)
        json_object_array_add(a, json_object_new_string(list->v[i]));
    json_object_object_add(o, key, a);
}

static struct json_object *to_json(const struct state *s)
{
    struct json_object *o = json_object_new_object();
    struct json_object *annotations = json_object_new_object();

    for (size_t i = 0; i < ARRAY_SIZE(text_members); i++)
        if (*text_of(s, &text_members[i]))
            json_object_object_add(o, text_members[i].key,
                                   json_object_new_string(*text_of(s, &text_members[i])));
    for (size_t i = 0; i < s->annotations.n; i++)
        json_object_object_add(annotations, s->annotations.v[i].key,
                               json_object_new_string(s->annotations.v[i].value));
    json_object_object_add(o, "annotations", annotations);
    put_list(o, "cgroups", &s->cgroups);
    put_list(o, "networkAttach", &s->attach);
    put_list(o, "systemdScopes", &s->scopes);
    json_object_object_add(o, "terminal", json_object_new_boolean(s->terminal));
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        json_object_object_add(o, sizes[i].key, json_object_new_uint64(*size_of(s, &sizes[i])));
    json_object_object_add(o, "vmVcpus", json_object_new_int64(s->vm_vcpus));
    put_proc(o, "creator", &s->creator);
    put_proc(o, "proxy", &s->proxy);
    return o;
}

int state_write(const struct state_dir *d, const struct state *s, struct err *err)
{
    struct json_object *o = to_json(s);
    const char *text =
        json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
    int r = text ? path_replace(d->fd, STATE_FILE, text, strlen(text), 0600, err)
                 : err_set(err, ENOMEM, "write " STATE_FILE ": %m");

    json_object_put(o);
    return r;
}

static int bad(struct err *err, const char *key, const char *wanted)
{
    return err_set(err, EINVAL, STATE_FILE ": %.60s: expected %s", key, wanted);
}

/* A JSON string without NUL bytes inside, copied. */
static int get_text(struct json_object *v, const char *key, char **ret, struct err *err)
{
    const char *s;

    if (!json_object_is_type(v, json_type_string))
        return bad(err, key, "a string");
    s = json_object_get_string(v);
    if (strlen(s) != (size_t)json_object_get_string_len(v))
        return bad(err, key, "a string without NUL bytes");
    *ret = xstrdup(s);
    return 0;
}

static int get_texts(struct json_object *o, struct state *ret, struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(text_members); i++) {
        struct json_object *v;
        int r;

        if (!json_object_object_get_ex(o, text_members[i].key, &v))
            continue;
        r = get_text(v, text_members[i].key, text_of(ret, &text_members[i]), err);
        if (r < 0)
            return r;
    }
    if (!ret->id || !ret->bundle)
        return bad(err, ret->id ? "bundle" : "id", "a string");
    return 0;
}

static int get_proc(struct json_object *o, const char *key, struct proc_id *ret, struct err *err)
{
    struct json_object *p, *pid, *start;
    int64_t n;

    if (!json_object_object_get_ex(o, key, &p))
        return 0;
    if (!json_object_is_type(p, json_type_object) || !json_object_object_get_ex(p, "pid", &pid) ||
        !json_object_object_get_ex(p, "startTime", &start) ||
        !json_object_is_type(pid, json_type_int) || !json_object_is_type(start, json_type_int))
        return bad(err, key, "a process");
    n = json_object_get_int64(pid);
    if (n < 0 || n > INT32_MAX)
        return bad(err, key, "a process id");
    *ret = (struct proc_id){(pid_t)n, json_object_get_uint64(start)};
    return 0;
}

static int get_annotations(struct json_object *o, struct kvs *ret, struct err *err)
{
    struct json_object *a;
    int r;

    if (!json_object_object_get_ex(o, "annotations", &a))
        return 0;
    if (!json_object_is_type(a, json_type_object))
        return bad(err, "annotations", "an object");
    json_object_object_foreach(a, key, value)
    {
        cleanup_free char *text = NULL;

        if ((r = get_text(value, "annotations", &text, err)) < 0)
            return r;
        kvs_add(ret, key, text);
    }
    return 0;
}

static int get_list(struct json_object *o, const char *key, struct strv *ret, struct err *err)
{
    struct json_object *a;

    if (!json_object_object_get_ex(o, key, &a))
        return 0;
    if (!json_object_is_type(a, json_type_array) || json_object_array_length(a) > LIST_MAX)
        return bad(err, key, "a short list");
    for (size_t i = 0; i < json_object_array_length(a); i++) {
        cleanup_free char *text = NULL;
        int r = get_text(json_object_array_get_idx(a, i), key, &text, err);

        if (r < 0)
            return r;
        strv_add(ret, text);
    }
    return 0;
}

/* A missing number stays 0. */
static int get_number(struct json_object *o, const char *key, uint64_t max, uint64_t *ret,
                      struct err *err)
{
    struct json_object *v;

    if (!json_object_object_get_ex(o, key, &v))
        return 0;
    if (!json_object_is_type(v, json_type_int) || json_object_get_uint64(v) > max)
        return bad(err, key, "a number");
    *ret = json_object_get_uint64(v);
    return 0;
}

static int get_sizes(struct json_object *o, struct state *ret, struct err *err)
{
    uint64_t vcpus = 0;
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        if ((r = get_number(o, sizes[i].key, UINT64_MAX, size_of(ret, &sizes[i]), err)) < 0)
            return r;
    if ((r = get_number(o, "vmVcpus", UINT32_MAX, &vcpus, err)) < 0)
        return r;
    ret->vm_vcpus = (uint32_t)vcpus;
    return 0;
}

static int from_json(struct json_object *o, struct state *ret, struct err *err)
{
    struct json_object *terminal;
    int r;

    if (!json_object_is_type(o, json_type_object))
        return bad(err, "document", "an object");
    if ((r = get_texts(o, ret, err)) < 0 || (r = get_annotations(o, &ret->annotations, err)) < 0 ||
        (r = get_list(o, "cgroups", &ret->cgroups, err)) < 0 ||
        (r = get_list(o, "networkAttach", &ret->attach, err)) < 0 ||
        (r = get_list(o, "systemdScopes", &ret->scopes, err)) < 0 ||
        (r = get_proc(o, "creator", &ret->creator, err)) < 0 ||
        (r = get_proc(o, "proxy", &ret->proxy, err)) < 0 || (r = get_sizes(o, ret, err)) < 0)
        return r;
    if (json_object_object_get_ex(o, "terminal", &terminal))
        ret->terminal = json_object_get_boolean(terminal);
    return 0;
}

int state_read(const struct state_dir *d, struct state *ret, struct err *err)
{
    cleanup_free char *text = NULL;
    cleanup_call(state_done) struct state s = {0};
    struct json_tokener *tokener;
    struct json_object *o;
    size_t len;
    int r;

    if ((r = path_read(d->fd, STATE_FILE, STATE_FILE_MAX, &text, &len, err)) < 0)
        return r;
    tokener = json_tokener_new_ex(STATE_DEPTH);
    o = tokener ? json_tokener_parse_ex(tokener, text, (int)len + 1) : NULL;
    json_tokener_free(tokener);
    if (!o)
        return err_set(err, EINVAL, STATE_FILE " in '%s' is not JSON", d->path);
    r = from_json(o, &s, err);
    json_object_put(o);
    if (r < 0)
        return r;
    *ret = s;
    s = (struct state){0};
    return 0;
}
