/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of values that the tables of schema.c and descriptor.c use. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "config/config.h"
#include "config/reader.h"

#define INTERFACE_MAX 15 /* bytes of a name */
#define VCPUS_MAX 1024
#define DURATION_MAX 86400

static void set_string(void *to, char *text)
{
    char **s = to;

    free(*s);
    *s = text;
}

static const char *filled(struct yaml_reader *y, const yaml_node_t *node)
{
    const char *text = yaml_text(y, node, "a string");

    if (text && !*text) {
        yaml_fail(y, node, "the value is empty");
        return NULL;
    }
    return text;
}

YAML_READER(yaml_string)
{
    const char *text = filled(y, node);

    (void)key;
    if (text)
        set_string(to, xstrdup(text));
}

YAML_READER(yaml_path)
{
    const char *text = filled(y, node);

    (void)key;
    if (text)
        set_string(to, *text == '/' ? xstrdup(text) : path_join(y->dir, text));
}

YAML_READER(yaml_bool)
{
    const char *text = yaml_text(y, node, "true or false");

    (void)key;
    if (!text)
        return;
    if (strcmp(text, "true") == 0)
        *(bool *)to = true;
    else if (strcmp(text, "false") == 0)
        *(bool *)to = false;
    else
        yaml_fail(y, node, "expected true or false, not '%s'", text);
}

/* An empty list would silently mean "the default": say nothing instead. */
static void check_some(struct yaml_reader *y, const yaml_node_t *node, const struct strv *s)
{
    if (y->code == 0 && s->n == 0)
        yaml_fail(y, node, "the list is empty; leave the key out to get the default");
}

YAML_READER(yaml_strings)
{
    struct strv *list = to;
    yaml_node_t *item;

    (void)key;
    strv_done(list); /* an earlier file's */
    for (size_t i = 0; (item = yaml_item(y, node, i)); i++) {
        const char *text = filled(y, item);

        if (text && strv_has(list, text))
            yaml_fail(y, item, "'%s' is there twice", text);
        else if (text)
            strv_add(list, text);
    }
}

/* Behind one that ends in a colon stands the name of an interface. */
static bool is_word(const char *text, const char *word)
{
    static const char more[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-@";
    size_t n = strlen(word), len;

    if (word[n - 1] != ':')
        return strcmp(text, word) == 0;
    if (strncmp(text, word, n) != 0)
        return false;
    len = strlen(text + n);
    return len > 0 && len <= INTERFACE_MAX && text[n] != '-' && strspn(text + n, more) == len;
}

/* The node's text if it is one of the words (NULL: any), else NULL after yaml_fail. */
static const char *word(struct yaml_reader *y, const yaml_node_t *node, const char *const *words)
{
    const char *text = filled(y, node);
    cleanup_free char *advice = NULL;
    size_t n = 0;

    if (!text || !words)
        return text;
    for (; words[n]; n++)
        if (is_word(text, words[n]))
            return text;
    advice = str_advice(text, words, n);
    yaml_fail(y, node, "unknown word '%s', %s", text, advice);
    return NULL;
}

YAML_READER(yaml_word)
{
    const char *text = word(y, node, key->words);

    if (text)
        set_string(to, xstrdup(text));
}

YAML_READER(yaml_words)
{
    struct strv *list = to;
    yaml_node_t *item;

    strv_done(list); /* an earlier file's */
    for (size_t i = 0; (item = yaml_item(y, node, i)); i++) {
        const char *text = word(y, item, key->words);

        if (text && strv_has(list, text))
            yaml_fail(y, item, "'%s' is there twice", text);
        else if (text)
            strv_add(list, text);
    }
    check_some(y, node, list);
}

YAML_READER(yaml_count)
{
    const char *text = yaml_text(y, node, "a number or auto");

    (void)key;
    if (!text)
        return;
    if (strcmp(text, "auto") == 0)
        *(uint64_t *)to = CONFIG_AUTO;
    else if (str_to_u64(text, 1, VCPUS_MAX, to) < 0)
        yaml_fail(y, node, "expected a number from 1 to %d or auto, not '%s'", VCPUS_MAX, text);
}

YAML_READER(yaml_number)
{
    const char *text = yaml_text(y, node, "a number");

    if (text && str_to_u64(text, key->min, key->max, to) < 0)
        yaml_fail(y, node, "expected a number from %" PRIu64 " to %" PRIu64 ", not '%s'", key->min,
                  key->max, text);
}

/* In the largest unit that has no fraction. */
static char *show_size(uint64_t size)
{
    static const char units[] = "KMGT";
    size_t i = 0;

    for (size /= KIB; units[i + 1] && size && size % 1024 == 0; size /= 1024)
        i++;
    return xasprintf("%" PRIu64 " %ciB", size, units[i]);
}

static void fail_range(struct yaml_reader *y, const yaml_node_t *node, const struct yaml_key *key,
                       const char *text)
{
    cleanup_free char *min = show_size(key->min), *max = show_size(key->max);
    bool bare = !text[strspn(text, "0123456789")];

    yaml_fail(y, node, "expected %s to %s, not '%s'%s", min, max, text,
              bare ? " (a number alone is bytes, write 512MiB)" : "");
}

YAML_READER(yaml_size)
{
    const char *text = yaml_text(y, node, "a size such as 64MiB");
    uint64_t size;

    if (!text)
        return;
    if (str_to_size(text, &size) < 0 || size >= UINT64_C(1) << 60)
        yaml_fail(y, node, "expected a size such as 64MiB, not '%s'", text);
    else if (key->max && (size < key->min || size > key->max))
        fail_range(y, node, key, text);
    else
        *(uint64_t *)to = size;
}

YAML_READER(yaml_size_auto)
{
    if (node->type == YAML_SCALAR_NODE &&
        strcmp((const char *)node->data.scalar.value, "auto") == 0)
        *(uint64_t *)to = CONFIG_AUTO;
    else
        yaml_size(y, node, key, to);
}

YAML_READER(yaml_duration)
{
    const char *text = yaml_text(y, node, "a time such as 30s");
    size_t n = text ? strlen(text) : 0;
    uint64_t unit = n && text[n - 1] == 'm' ? 60 : 1, value;
    cleanup_free char *digits =
        xstrndup(text ? text : "", n && strchr("sm", text[n - 1]) ? n - 1 : n);

    (void)key;
    if (!text)
        return;
    if (str_to_u64(digits, 1, DURATION_MAX, &value) < 0)
        yaml_fail(y, node, "expected a time such as 30s or 2m, not '%s'", text);
    else
        *(uint64_t *)to = value * unit;
}

static void add_pair(void *ctx, const char *key, const char *value, unsigned line, unsigned column)
{
    (void)line, (void)column;
    kvs_set(ctx, key, value);
}

YAML_READER(yaml_kvs)
{
    (void)key;
    yaml_pairs(y, node, add_pair, to);
}

YAML_READER(yaml_map)
{
    yaml_mapping(y, node, key->sub, to);
}
