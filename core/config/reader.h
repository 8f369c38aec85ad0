/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader.h - YAML mappings by table: each key names its reader and where the value goes.
 * For core/config only. The first mistake sticks; later calls do nothing.
 */
#ifndef CONFIG_READER_H
#define CONFIG_READER_H
#include <stdbool.h>
#include <stdint.h>
#include <yaml.h>
#include "base/err.h"
#include "base/str.h"

#define YAML_LIST_MAX 1024u     /* entries of any list or mapping, but for yaml_item_of */
#define YAML_VALUES_MAX 500000u /* of one file in all: bounds what aliases can multiply */

struct yaml_reader {
    yaml_document_t doc;
    const char *name; /* the file, for messages */
    const char *dir;  /* relative paths are relative to it */
    const char *text; /* of len bytes, while it is being parsed */
    size_t len;
    struct err *err;
    int code;               /* 0 or the -errno of the first mistake */
    unsigned depth;         /* of match conditions within each other */
    unsigned values;        /* read so far */
    struct kvs *seen;       /* key -> place of what earlier files have set; NULL = there are none */
    struct strv *overrides; /* gets a sentence for each key that is set again */
    char key[128];          /* whose value is being read: "defaults.vm.memory" */
};

/* Reads `node` into `to`, which is the struct's address plus the key's offset. */
struct yaml_key {
    const char *name;
    void (*read)(struct yaml_reader *y, yaml_node_t *node, const struct yaml_key *key, void *to);
    size_t offset;
    const struct yaml_key *sub; /* yaml_map: the keys below; ends with a NULL name */
    const char *const *words;   /* yaml_words: what is allowed; NULL-terminated */
    uint64_t min, max;          /* yaml_size: bounds; max 0 = none */
    int id;                     /* for a reader that serves several keys */
};

/*
 * Parse one document that must be a mapping of these keys into `to`. Returns with the document
 * still loaded in *y, for looks at single nodes; yaml_reader_done in any case.
 */
int yaml_reader_parse(struct yaml_reader *y, const char *text, size_t len,
                      const struct yaml_key *keys, void *to);
void yaml_reader_done(struct yaml_reader *y);

/* Note a mistake in a value: "FILE:LINE:COL: key 'KEY': text". */
void yaml_fail(struct yaml_reader *y, const yaml_node_t *node, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* A scalar's text, borrowed; NULL after yaml_fail. `expected`: "a string". */
const char *yaml_text(struct yaml_reader *y, const yaml_node_t *node, const char *expected);
void yaml_mapping(struct yaml_reader *y, yaml_node_t *node, const struct yaml_key *keys, void *to);
/* Item of a sequence, NULL after the last; a node that is none is a mistake. */
yaml_node_t *yaml_item(struct yaml_reader *y, yaml_node_t *list, size_t i);
/* The same for a list of up to max. */
yaml_node_t *yaml_item_of(struct yaml_reader *y, yaml_node_t *list, size_t i, size_t max);
/* Call each(key text, value text, the key's place) for a free mapping of scalars. */
void yaml_pairs(struct yaml_reader *y, yaml_node_t *node,
                void (*each)(void *ctx, const char *key, const char *value, unsigned line,
                             unsigned column),
                void *ctx);

/* Readers for the tables. */
#define YAML_READER(name)                                                                          \
    void name(struct yaml_reader *y, yaml_node_t *node, const struct yaml_key *key, void *to)
YAML_READER(yaml_string);    /* char *, not empty */
YAML_READER(yaml_path);      /* char *: made absolute */
YAML_READER(yaml_bool);      /* bool */
YAML_READER(yaml_strings);   /* struct strv, not empty */
YAML_READER(yaml_words);     /* struct strv of key->words, not empty */
YAML_READER(yaml_word);      /* char *: one of key->words */
YAML_READER(yaml_count);     /* uint64_t: "auto" or 1..1024 */
YAML_READER(yaml_number);    /* uint64_t from min to max */
YAML_READER(yaml_size);      /* uint64_t bytes from min to max, if there is one */
YAML_READER(yaml_size_auto); /* the same, or "auto" */
YAML_READER(yaml_duration);  /* uint64_t seconds: 30, 30s, 2m */
YAML_READER(yaml_kvs);       /* struct kvs */
YAML_READER(yaml_map);       /* key->sub, at the same address */

/* The names of a table and all below: "defaults.vm.memory", "classes[].name". */
void yaml_key_names(const struct yaml_key *keys, const char *prefix, struct strv *ret);

#endif
