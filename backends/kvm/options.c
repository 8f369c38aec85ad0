/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"
#include <errno.h>
#include <string.h>

const char *options_get(const struct hvp_kv *kv, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(kv[i].key, key) == 0)
            return kv[i].value;
    return NULL;
}

int options_check(const char *tag, const struct hvp_kv *kv, size_t n, const char *const *words,
                  struct hvp_error *err)
{
    for (size_t i = 0; i < n; i++) {
        size_t w = 0;

        while (words[w] && strcmp(words[w], kv[i].key) != 0)
            w++;
        if (!words[w])
            return hvp_fail(err, EINVAL, "device '%s': unknown option '%.100s'", tag, kv[i].key);
        if (options_get(kv, i, kv[i].key))
            return hvp_fail(err, EINVAL, "device '%s': option '%s' is given twice", tag, kv[i].key);
    }
    return 0;
}

bool options_number(const char *text, uint32_t max, uint32_t *ret)
{
    uint64_t n = 0;

    if (!text[0])
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        n = n * 10 + (uint64_t)(*text - '0');
        if (n > max)
            return false;
    }
    *ret = (uint32_t)n;
    return true;
}
