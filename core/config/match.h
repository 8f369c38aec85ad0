/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match.h - what a workload must be like to belong to a class: conditions on facts, as plain data.
 * Read by core/config, evaluated by core/policy.
 */
#ifndef CONFIG_MATCH_H
#define CONFIG_MATCH_H
#include <stdbool.h>
#include <stddef.h>

enum config_fact {
    FACT_POD_NAMESPACE,
    FACT_POD_NAME,
    FACT_CONTAINER_NAME,
    FACT_IMAGE,
    FACT_USER,
    FACT_RUNTIME,
    FACT_ARCH,
    FACT_PLATFORM,
    FACT_CGROUP,
    FACT_CLASS,             /* what the workload's annotation asks for */
    FACT_MOUNT_DESTINATION, /* this and below: of one mount */
    FACT_MOUNT_TYPE,
    FACT_MOUNT_SOURCE,
    FACT_MOUNT_OPTIONS, /* holds if one option fits */
    CONFIG_FACTS
};

enum config_pattern_kind {
    PATTERN_EXACT,  /* no special character */
    PATTERN_PREFIX, /* its only one is a '*' at the end */
    PATTERN_GLOB,
};

/* For fnmatch(3) without flags; what can be decided by comparing bytes is found beforehand. */
struct config_pattern {
    char *text;
    size_t plain; /* bytes before the first special character */
    enum config_pattern_kind kind;
};

struct config_term;

/* Every term must hold. */
struct config_match {
    struct config_term *v;
    size_t n;
};

enum config_term_kind {
    TERM_FACT,       /* fact fits pattern; an unknown fact fits none */
    TERM_ANNOTATION, /* the annotation `key` is there and fits pattern */
    TERM_MOUNT,      /* one mount holds sub[0] */
    TERM_ALL,        /* every sub */
    TERM_ANY,        /* one sub */
    TERM_NOT,        /* not sub[0] */
};

struct config_term {
    enum config_term_kind kind;
    enum config_fact fact;
    char *key;
    struct config_pattern pattern;
    struct config_match *sub;
    size_t n_sub;
};

void config_match_done(struct config_match *m);
/* The key of the file that a fact has: "pod_name"; of a mount: "destination". */
const char *config_fact_name(enum config_fact fact);
/* The first pattern for a fact at the top of m; NULL = none. */
const char *config_match_text(const struct config_match *m, enum config_fact fact);

#endif
