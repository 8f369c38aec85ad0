/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/reader.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <json-c/json_tokener.h>
#include "base/cleanup.h"

#define DEPTH_MAX 32 /* config.json needs about 8 */

static void tokener_done(struct json_tokener **t)
{
    if (*t)
        json_tokener_free(*t);
}

/* Line and column of a byte, for people: counted from 1. */
static void find_place(const char *json, size_t at, size_t *ret_line, size_t *ret_col)
{
    size_t line = 1, start = 0;

    for (size_t i = 0; i < at; i++)
        if (json[i] == '\n') {
            line++;
            start = i + 1;
        }
    *ret_line = line;
    *ret_col = at - start + 1;
}

static int syntax_error(struct json_tokener *t, const char *json, size_t len, const char *what,
                        struct err *err)
{
    enum json_tokener_error e = json_tokener_get_error(t);
    size_t at = json_tokener_get_parse_end(t), line, col;

    find_place(json, MIN(at, len), &line, &col);
    return err_set_phase(err, PHASE_CONFIG, EINVAL, "%s:%zu:%zu: %s", what, line, col,
                         e == json_tokener_continue ? "unexpected end of the file"
                                                    : json_tokener_error_desc(e));
}

int reader_parse(const char *json, size_t len, const char *what, json_object **ret, struct err *err)
{
    __attribute__((cleanup(tokener_done))) struct json_tokener *t = json_tokener_new_ex(DEPTH_MAX);
    json_object *obj;

    if (len > OCI_CONFIG_MAX)
        return err_set_phase(err, PHASE_CONFIG, EFBIG, "%s: larger than %u bytes", what,
                             OCI_CONFIG_MAX);
    if (!t)
        return err_set(err, ENOMEM, "%s: %m", what);
    json_tokener_set_flags(t, JSON_TOKENER_STRICT);
    obj = json_tokener_parse_ex(t, json, (int)len);
    if (!obj || json_tokener_get_error(t) != json_tokener_success) {
        if (obj)
            json_object_put(obj);
        return syntax_error(t, json, len, what, err);
    }
    if (!json_object_is_type(obj, json_type_object)) {
        json_object_put(obj);
        return err_set_phase(err, PHASE_CONFIG, EINVAL, "%s: expected an object", what);
    }
    *ret = obj;
    return 0;
}

void rd_fail(struct reader *r, const char *key, const char *fmt, ...)
{
    cleanup_free char *text = NULL;
    bool dot = r->len > 0 && key;
    va_list ap;

    if (r->code)
        return;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    va_end(ap);
    r->code =
        err_set_phase(r->err, PHASE_CONFIG, EINVAL, "%s: %s%s%s%s%s", r->file, r->path,
                      dot ? "." : "", key ? key : "", r->len || key ? ": " : "", text ? text : "");
}

/* Longer paths are cut: the text is for people, the depth is bounded elsewhere. */
static void push(struct reader *r, const char *key)
{
    int n = snprintf(r->path + r->len, sizeof(r->path) - r->len, "%s%s", r->len ? "." : "", key);

    r->len = MIN(r->len + (size_t)n, sizeof(r->path) - 1);
}

static void push_index(struct reader *r, size_t i)
{
    int n = snprintf(r->path + r->len, sizeof(r->path) - r->len, "[%zu]", i);

    r->len = MIN(r->len + (size_t)n, sizeof(r->path) - 1);
}

static void pop_to(struct reader *r, size_t len)
{
    r->len = len;
    r->path[len] = '\0';
}

/* The member if it is there, not null and of the type; a wrong type is a mistake. */
static json_object *member(struct reader *r, json_object *obj, const char *key, json_type type,
                           const char *expected)
{
    json_object *m;

    if (r->code || !json_object_object_get_ex(obj, key, &m) || !m)
        return NULL;
    if (json_object_is_type(m, type))
        return m;
    rd_fail(r, key, "expected %s", expected);
    return NULL;
}

json_object *rd_enter(struct reader *r, json_object *obj, const char *key)
{
    json_object *m = member(r, obj, key, json_type_object, "an object");

    if (m)
        push(r, key);
    return m;
}

void rd_leave(struct reader *r)
{
    char *dot = strrchr(r->path, '.');

    pop_to(r, dot ? (size_t)(dot - r->path) : 0);
}

/* A JSON string may hold "\u0000"; what the kernel would see ends there, so refuse it. */
static char *copy_string(struct reader *r, json_object *s, const char *key)
{
    const char *text = json_object_get_string(s);

    if (strlen(text) != (size_t)json_object_get_string_len(s)) {
        rd_fail(r, key, "holds a NUL character");
        return NULL;
    }
    return xstrdup(text);
}

bool rd_str(struct reader *r, json_object *obj, const char *key, char **ret)
{
    json_object *m = member(r, obj, key, json_type_string, "a string");
    char *text;

    if (!m || !(text = copy_string(r, m, key)))
        return false;
    free(*ret);
    *ret = text;
    return true;
}

void rd_need_str(struct reader *r, json_object *obj, const char *key, char **ret)
{
    if (!rd_str(r, obj, key, ret))
        rd_fail(r, key, "missing");
}

bool rd_bool(struct reader *r, json_object *obj, const char *key, bool *ret)
{
    json_object *m = member(r, obj, key, json_type_boolean, "true or false");

    if (m)
        *ret = json_object_get_boolean(m);
    return m;
}

bool rd_i64(struct reader *r, json_object *obj, const char *key, int64_t min, int64_t max,
            int64_t *ret)
{
    json_object *m = member(r, obj, key, json_type_int, "a number");
    int64_t value;

    if (!m)
        return false;
    value = json_object_get_int64(m);
    /* json-c keeps numbers beyond INT64_MAX as unsigned and saturates here. */
    if (value < min || value > max ||
        (value == INT64_MAX && json_object_get_uint64(m) > INT64_MAX)) {
        rd_fail(r, key, "expected a number from %" PRId64 " to %" PRId64, min, max);
        return false;
    }
    *ret = value;
    return true;
}

bool rd_u64(struct reader *r, json_object *obj, const char *key, uint64_t max, uint64_t *ret)
{
    json_object *m = member(r, obj, key, json_type_int, "a number");

    if (!m)
        return false;
    if (json_object_get_int64(m) < 0 || json_object_get_uint64(m) > max) {
        rd_fail(r, key, "expected a number from 0 to %" PRIu64, max);
        return false;
    }
    *ret = json_object_get_uint64(m);
    return true;
}

bool rd_u32(struct reader *r, json_object *obj, const char *key, uint32_t *ret)
{
    uint64_t value;

    if (!rd_u64(r, obj, key, UINT32_MAX, &value))
        return false;
    *ret = (uint32_t)value;
    return true;
}

void rd_opt_i64(struct reader *r, json_object *obj, const char *key, struct oci_i64 *ret)
{
    if (rd_i64(r, obj, key, INT64_MIN, INT64_MAX, &ret->value))
        ret->set = true;
}

void rd_opt_u64(struct reader *r, json_object *obj, const char *key, struct oci_u64 *ret)
{
    if (rd_u64(r, obj, key, UINT64_MAX, &ret->value))
        ret->set = true;
}

static json_object *array(struct reader *r, json_object *obj, const char *key)
{
    json_object *m = member(r, obj, key, json_type_array, "a list");

    if (m && json_object_array_length(m) > READER_LIST_MAX) {
        rd_fail(r, key, "more than %u entries", READER_LIST_MAX);
        return NULL;
    }
    return m;
}

bool rd_strv(struct reader *r, json_object *obj, const char *key, struct strv *ret)
{
    json_object *m = array(r, obj, key);
    size_t n = m ? json_object_array_length(m) : 0, mark = r->len;

    if (!m)
        return false;
    push(r, key);
    for (size_t i = 0; i < n && !r->code; i++) {
        json_object *item = json_object_array_get_idx(m, i);
        cleanup_free char *text = NULL;
        size_t here = r->len;

        push_index(r, i);
        if (!json_object_is_type(item, json_type_string))
            rd_fail(r, NULL, "expected a string");
        else if ((text = copy_string(r, item, NULL)))
            strv_add(ret, text);
        pop_to(r, here);
    }
    pop_to(r, mark);
    return true;
}

bool rd_kvs(struct reader *r, json_object *obj, const char *key, struct kvs *ret)
{
    json_object *m = rd_enter(r, obj, key);

    if (!m)
        return false;
    json_object_object_foreach(m, name, value)
    {
        cleanup_free char *text = NULL;

        if (r->code)
            break;
        if (!value)
            continue;
        if (!json_object_is_type(value, json_type_string))
            rd_fail(r, name, "expected a string");
        else if ((text = copy_string(r, value, name)))
            kvs_add(ret, name, text);
    }
    rd_leave(r);
    return true;
}

bool rd_list(struct reader *r, json_object *obj, const char *key, size_t size, rd_item_fn fn,
             void *ret_v, size_t *ret_n)
{
    json_object *m = array(r, obj, key);
    size_t n = m ? json_object_array_length(m) : 0, mark = r->len;
    char *v;

    if (!m || n == 0)
        return m;
    v = xcalloc(n, size);
    *(void **)ret_v = v;
    *ret_n = n; /* all zeroed: fine to free half-way */
    push(r, key);
    for (size_t i = 0; i < n && !r->code; i++) {
        json_object *item = json_object_array_get_idx(m, i);
        size_t here = r->len;

        push_index(r, i);
        if (!json_object_is_type(item, json_type_object))
            rd_fail(r, NULL, "expected an object");
        else
            fn(r, item, v + i * size);
        pop_to(r, here);
    }
    pop_to(r, mark);
    return true;
}

bool rd_u32_list(struct reader *r, json_object *obj, const char *key, uint32_t **ret_v,
                 size_t *ret_n)
{
    json_object *m = array(r, obj, key);
    size_t n = m ? json_object_array_length(m) : 0;

    if (!m || n == 0)
        return m;
    *ret_v = xcalloc(n, sizeof(**ret_v));
    *ret_n = n;
    for (size_t i = 0; i < n; i++) {
        json_object *item = json_object_array_get_idx(m, i);

        if (!json_object_is_type(item, json_type_int) || json_object_get_int64(item) < 0 ||
            json_object_get_int64(item) > UINT32_MAX) {
            rd_fail(r, key, "expected numbers from 0 to %u", UINT32_MAX);
            return false;
        }
        (*ret_v)[i] = (uint32_t)json_object_get_int64(item);
    }
    return true;
}
