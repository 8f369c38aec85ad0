/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_check.h - what only `config check` looks for: names that lead nowhere.
 * For the verb and its unit test.
 */
#ifndef CLI_CONFIG_CHECK_H
#define CLI_CONFIG_CHECK_H
#include <stdbool.h>
#include "base/str.h"
#include "config/config.h"

/* First place from line `from` on where word stands alone and outside a comment; counted from 1. */
bool config_word_at(const char *text, const char *word, unsigned from, unsigned *ret_line,
                    unsigned *ret_column);

/* A sentence for each hypervisor that the file (text is what it holds) lists without there being a
 * descriptor of that name. */
void config_check_names(const struct config *c, const char *text, const struct descriptor_list *l,
                        struct strv *problems);

#endif
