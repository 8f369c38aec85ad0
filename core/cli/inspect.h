/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect.h - what the verbs that only look share: check, backends, explain, `config check`.
 * Unlike choice_load, which must stop at the first bad descriptor, they tell all that is wrong.
 */
#ifndef CLI_INSPECT_H
#define CLI_INSPECT_H
#include <stdint.h>
#include <stdio.h>
#include "base/err.h"
#include "base/str.h"
#include "cli/creation/choice.h"
#include "config/config.h"

/* Every descriptor of dir that can be read; a sentence for each that cannot, and for the second of
 * one name. */
void inspect_descriptors(const char *dir, const char *backend_dir, struct descriptor_list *ret,
                         struct strv *problems);

/* choice_load for those who go on: bad descriptors are in problems. Fails on a bad configuration.
 */
int inspect_load(const struct cli *cli, struct choice *ret, struct strv *problems, struct err *err);

/* Why a back-end is not usable, without its name in front; borrowed. */
const char *inspect_reason(const struct descriptor *d, const struct probed *p);

/* Print rows of n_columns cells, aligned; headings are the first row. */
void columns_print(const struct strv *cells, size_t n_columns, FILE *to);

/* Words for the bits of a mask: "disk share"; "-" for none. Caller frees. */
char *mask_words(uint64_t mask, const char *(*name)(unsigned));

#endif
