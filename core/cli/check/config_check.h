/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_check.h - what only `config check` looks for: names and files that lead nowhere.
 * For the verb and its unit test.
 */
#ifndef CLI_CONFIG_CHECK_H
#define CLI_CONFIG_CHECK_H
#include <stdbool.h>
#include "base/str.h"
#include "cli/cli.h"
#include "config/config.h"

/* First place from line `from` on where word stands alone and outside a comment; counted from 1. */
bool config_word_at(const char *text, const char *word, unsigned from, unsigned *ret_line,
                    unsigned *ret_column);

/* A sentence for each hypervisor that a file lists without there being a descriptor of that name;
 * texts are what the files of c->files hold. */
void config_check_names(const struct config *c, const struct strv *texts,
                        const struct descriptor_list *l, struct strv *problems);

/* A sentence for each list of which no hypervisor can be loaded; why_not is one per descriptor. */
void config_check_loadable(const struct config *c, const struct descriptor_list *l,
                           char *const *why_not, struct strv *problems);

/* A sentence for each machine, processor and option that a plug-in of its list does not know. */
void config_check_words(const struct cli *cli, const struct config *c,
                        const struct descriptor_list *l, char *const *why_not,
                        struct strv *problems);

/* A sentence for each class whose rule and whose hypervisors have no architecture in common. */
void config_check_arch(const struct config *c, const struct descriptor_list *l,
                       struct strv *problems);

/* Kernels, images and secrets that are not there, or that others can read. */
void config_check_files(const struct config *c, struct strv *problems);

#endif
