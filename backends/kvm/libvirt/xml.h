/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml.h - XML text from elements and attributes, escaped as it is written.
 * Used by whatever describes a domain or a part of it to libvirt. Pure.
 */
#ifndef LV_XML_H
#define LV_XML_H
#include <stdbool.h>
#include <stddef.h>

#define XML_DEPTH 12

/* {0} is an empty one. A failed allocation or a bad value is remembered, see xml_failed(). */
struct xml {
    char *text; /* NULL = nothing was written */
    size_t len, cap;
    const char *open[XML_DEPTH]; /* names of the elements not yet closed */
    unsigned depth;
    bool in_tag; /* attributes may follow */
    int failed;  /* positive errno */
};

/* Names are the caller's literals and stay so until the element is closed. */
void xml_open(struct xml *x, const char *name);
void xml_attr(struct xml *x, const char *key, const char *value);
__attribute__((format(printf, 3, 4))) void xml_attrf(struct xml *x, const char *key,
                                                     const char *format, ...);
void xml_text(struct xml *x, const char *text);
void xml_close(struct xml *x);
/* An element with nothing but "key", "value" pairs, ended by NULL. */
void xml_empty(struct xml *x, const char *name, ...) __attribute__((sentinel));
/* An element with nothing but text. */
void xml_leaf(struct xml *x, const char *name, const char *text);

/* ENOMEM; EINVAL: a value holds what XML cannot; 0 = all is well. */
int xml_failed(const struct xml *x);
void xml_done(struct xml *x);

#endif
