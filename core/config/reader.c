/* SPDX-License-Identifier: Apache-2.0 */
#include "config/reader.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "config/syntax.h"

static void fail_at(struct yaml_reader *y, size_t line, size_t col, const char *text)
{
    if (y->code == 0)
        y->code = err_set_phase(y->err, PHASE_CONFIG, EINVAL, "%s:%zu:%zu: %s", y->name, line + 1,
                                col + 1, text);
}

void yaml_fail(struct yaml_reader *y, const yaml_node_t *node, const char *fmt, ...)
{
    cleanup_free char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        abort();
    va_end(ap);
    if (*y->key) {
        cleanup_free char *named = xasprintf("key '%s': %s", y->key, text);

        fail_at(y, node->start_mark.line, node->start_mark.column, named);
    } else {
        fail_at(y, node->start_mark.line, node->start_mark.column, text);
    }
}

/* What is wrong with a key itself says so. */
static void fail_key(struct yaml_reader *y, const yaml_node_t *node, char *text)
{
    cleanup_free char *freed = text;

    fail_at(y, node->start_mark.line, node->start_mark.column, freed);
}

/* From here on mistakes are in the value of this key; returns what leave_key needs. */
static size_t enter_key(struct yaml_reader *y, const char *name)
{
    size_t len = strlen(y->key);

    snprintf(y->key + len, sizeof(y->key) - len, "%s%s", len ? "." : "", name);
    return len;
}

static void leave_key(struct yaml_reader *y, size_t len)
{
    y->key[len] = '\0';
}

static const char *scalar(const yaml_node_t *node)
{
    return (const char *)node->data.scalar.value;
}

const char *yaml_text(struct yaml_reader *y, const yaml_node_t *node, const char *expected)
{
    if (y->code)
        return NULL;
    if (node->type != YAML_SCALAR_NODE)
        yaml_fail(y, node, "expected %s", expected);
    else if (strlen(scalar(node)) != node->data.scalar.length)
        yaml_fail(y, node, "holds a NUL character");
    else if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
             (!*scalar(node) || strcmp(scalar(node), "~") == 0 ||
              strcmp(scalar(node), "null") == 0))
        yaml_fail(y, node, "expected %s", expected);
    else
        return scalar(node);
    return NULL;
}

static const struct yaml_key *find_key(const struct yaml_key *keys, const char *name)
{
    for (; keys->name; keys++)
        if (strcmp(keys->name, name) == 0)
            return keys;
    return NULL;
}

static void unknown_key(struct yaml_reader *y, const yaml_node_t *node, const char *name,
                        const struct yaml_key *keys)
{
    cleanup_free char *advice = NULL;
    const char *names[32];
    size_t n = 0;

    for (; keys->name && n < ARRAY_SIZE(names); keys++)
        names[n++] = keys->name;
    advice = str_advice(name, names, n);
    fail_key(y, node, xasprintf("unknown key '%s', %s", name, advice));
}

/* The text of a pair's key; fails for one that the mapping has already. */
static const char *pair_key(struct yaml_reader *y, yaml_node_t *map, yaml_node_pair_t *pair)
{
    yaml_node_t *node = yaml_document_get_node(&y->doc, pair->key);
    const char *name = yaml_text(y, node, "a key");

    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; name && p < pair; p++) {
        yaml_node_t *other = yaml_document_get_node(&y->doc, p->key);

        if (other->type == YAML_SCALAR_NODE && strcmp(scalar(other), name) == 0) {
            fail_key(y, node,
                     xasprintf("key '%s' is there twice, first in line %zu", name,
                               other->start_mark.line + 1));
            return NULL;
        }
    }
    return name;
}

/* Something else stands there, or nothing: then it may be the indentation. */
static void fail_kind(struct yaml_reader *y, const yaml_node_t *node, const char *expected)
{
    if (node->type != YAML_SCALAR_NODE)
        yaml_fail(y, node, "expected %s", expected);
    else if (*scalar(node))
        yaml_fail(y, node, "expected %s, not '%.60s'", expected, scalar(node));
    else
        yaml_fail(y, node, "expected %s, and it is empty: is what belongs to it indented?",
                  expected);
}

static bool is_mapping(struct yaml_reader *y, const yaml_node_t *node)
{
    if (y->code)
        return false;
    if (node->type != YAML_MAPPING_NODE)
        fail_kind(y, node, "a mapping (key: value)");
    else if (node->data.mapping.pairs.top - node->data.mapping.pairs.start > YAML_LIST_MAX)
        yaml_fail(y, node, "more than %u keys", YAML_LIST_MAX);
    return y->code == 0;
}

/* libyaml reads an alias once and hands its node out again and again. */
static bool within_budget(struct yaml_reader *y, const yaml_node_t *node)
{
    if (y->code == 0 && ++y->values > YAML_VALUES_MAX)
        yaml_fail(y, node, "the file has more than %u values, counting each use of an alias",
                  YAML_VALUES_MAX);
    return y->code == 0;
}

/* Keys of classes have no one value; all others may be set once in each file. */
static void note_override(struct yaml_reader *y, const yaml_node_t *node,
                          const struct yaml_key *key)
{
    cleanup_free char *place = NULL;
    const char *before;

    if (!y->seen || key->read == yaml_map || key->read == yaml_kvs ||
        str_starts_with(y->key, "classes") || strcmp(y->key, "version") == 0)
        return;
    place =
        xasprintf("%s:%zu:%zu", y->name, node->start_mark.line + 1, node->start_mark.column + 1);
    before = kvs_get(y->seen, y->key);
    if (before)
        strv_addf(y->overrides, "%s: key '%s' replaces that of %s", place, y->key, before);
    kvs_set(y->seen, y->key, place);
}

void yaml_mapping(struct yaml_reader *y, yaml_node_t *node, const struct yaml_key *keys, void *to)
{
    if (!is_mapping(y, node))
        return;
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start;
         p < node->data.mapping.pairs.top && y->code == 0; p++) {
        const char *name = pair_key(y, node, p);
        const struct yaml_key *key = name ? find_key(keys, name) : NULL;

        if (key) {
            size_t outer = enter_key(y, name);
            yaml_node_t *value = yaml_document_get_node(&y->doc, p->value);

            note_override(y, yaml_document_get_node(&y->doc, p->key), key);
            if (within_budget(y, value))
                key->read(y, value, key, (char *)to + key->offset);
            leave_key(y, outer);
        } else if (name) {
            unknown_key(y, yaml_document_get_node(&y->doc, p->key), name, keys);
        }
    }
}

void yaml_pairs(struct yaml_reader *y, yaml_node_t *node,
                void (*each)(void *ctx, const char *key, const char *value, unsigned line,
                             unsigned column),
                void *ctx)
{
    if (!is_mapping(y, node))
        return;
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start;
         p < node->data.mapping.pairs.top && y->code == 0; p++) {
        const char *name = pair_key(y, node, p), *value = NULL;
        yaml_node_t *k = yaml_document_get_node(&y->doc, p->key);
        yaml_node_t *v = yaml_document_get_node(&y->doc, p->value);

        if (name && within_budget(y, k)) {
            size_t outer = enter_key(y, name);

            value = yaml_text(y, v, "a string or a number");
            leave_key(y, outer);
        }
        if (value)
            each(ctx, name, value, (unsigned)k->start_mark.line + 1,
                 (unsigned)k->start_mark.column + 1);
    }
}

yaml_node_t *yaml_item(struct yaml_reader *y, yaml_node_t *list, size_t i)
{
    return yaml_item_of(y, list, i, YAML_LIST_MAX);
}

yaml_node_t *yaml_item_of(struct yaml_reader *y, yaml_node_t *list, size_t i, size_t max)
{
    size_t n;

    if (y->code)
        return NULL;
    if (list->type != YAML_SEQUENCE_NODE) {
        bool entries = list->type == YAML_MAPPING_NODE;

        fail_kind(y, list, entries ? "a list ('- ' before each entry)" : "a list ([a, b])");
        return NULL;
    }
    n = (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
    if (n > max)
        yaml_fail(y, list, "more than %zu entries", max);
    else if (i < n && within_budget(y, list))
        return yaml_document_get_node(&y->doc, list->data.sequence.items.start[i]);
    return NULL;
}

static void syntax_error(struct yaml_reader *y, yaml_parser_t *parser)
{
    size_t line, column;
    cleanup_free char *why = yaml_syntax_sentence(parser, y->text, y->len, &line, &column);

    fail_at(y, line, column, why);
}

/* A second document would be ignored by most readers; here it is a mistake. */
static void check_end(struct yaml_reader *y, yaml_parser_t *parser)
{
    yaml_document_t next;

    if (!yaml_parser_load(parser, &next)) {
        syntax_error(y, parser);
        return;
    }
    if (yaml_document_get_root_node(&next))
        fail_at(y, next.start_mark.line, next.start_mark.column, "only one document is allowed");
    yaml_document_delete(&next);
}

static void read_document(struct yaml_reader *y, yaml_parser_t *parser, const struct yaml_key *keys,
                          void *to)
{
    yaml_node_t *root;

    if (!yaml_parser_load(parser, &y->doc)) {
        memset(&y->doc, 0, sizeof(y->doc));
        syntax_error(y, parser);
        return;
    }
    root = yaml_document_get_root_node(&y->doc);
    if (!root) {
        fail_at(y, 0, 0, "the file is empty");
        return;
    }
    check_end(y, parser);
    yaml_mapping(y, root, keys, to);
}

int yaml_reader_parse(struct yaml_reader *y, const char *text, size_t len,
                      const struct yaml_key *keys, void *to)
{
    yaml_parser_t parser;

    memset(&y->doc, 0, sizeof(y->doc));
    y->code = 0;
    y->depth = y->values = 0;
    y->text = text;
    y->len = len;
    y->key[0] = '\0';
    if (!yaml_parser_initialize(&parser))
        return y->code = err_set(y->err, ENOMEM, "%s: %m", y->name);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    read_document(y, &parser, keys, to);
    yaml_parser_delete(&parser);
    return y->code;
}

void yaml_reader_done(struct yaml_reader *y)
{
    yaml_document_delete(&y->doc);
}

void yaml_key_names(const struct yaml_key *keys, const char *prefix, struct strv *ret)
{
    for (; keys->name; keys++) {
        cleanup_free char *name = xasprintf("%s%s%s", prefix, *prefix ? "." : "", keys->name);

        if (keys->sub) {
            cleanup_free char *below = xasprintf("%s%s", name, keys->read == yaml_map ? "" : "[]");

            yaml_key_names(keys->sub, below, ret);
        } else {
            strv_add(ret, name);
        }
    }
}
