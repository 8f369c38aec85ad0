/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library.h - a shared library that is opened when it is needed and not before, with its functions
 * in a struct of pointers. For modules whose library costs more than most verbs or may be missing.
 *
 *     #define FOO_FUNCTIONS(X) X(foo_open) X(foo_close)
 *     struct foo_library { FOO_FUNCTIONS(LIBRARY_MEMBER) };
 *     static const struct library_function functions[] = {FOO_FUNCTIONS(LIBRARY_ROW)};
 */
#ifndef BASE_LIBRARY_H
#define BASE_LIBRARY_H
#include <stddef.h>
#include "base/err.h"

#define LIBRARY_MEMBER(name) __typeof__(name) *name;
#define LIBRARY_ROW(name) {#name},

struct library_function {
    const char *name;
};

/*
 * Fill table, an array of n function pointers in the order of functions. The library stays open.
 * -ENOENT with the loader's sentence where it is not installed or lacks a function.
 */
int library_open(const char *file, const struct library_function *functions, size_t n, void *table,
                 struct err *err);

#endif
