/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syntax.h - what is wrong with a text that is no YAML, in the words of those who write it.
 * For reader.c.
 */
#ifndef CONFIG_SYNTAX_H
#define CONFIG_SYNTAX_H
#include <stddef.h>
#include <yaml.h>

/*
 * Why the parser, which has just failed on `text` of `len` bytes, did so: a sentence, the caller's
 * to free. *ret_line and *ret_column, counted from 0, are where to look: at the bracket that is not
 * closed, not at the line in which libyaml missed its end.
 */
char *yaml_syntax_sentence(const yaml_parser_t *parser, const char *text, size_t len,
                           size_t *ret_line, size_t *ret_column);

#endif
