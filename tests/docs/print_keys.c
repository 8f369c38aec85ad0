/* SPDX-License-Identifier: Apache-2.0 */
/* print_keys config|descriptor: the keys that the YAML parsers know, one a line; for keys.py. */
#include <stdio.h>
#include <string.h>
#include "config/config.h"

int main(int argc, char **argv)
{
    const char *const *keys;
    size_t n;

    if (argc != 2 || (strcmp(argv[1], "config") != 0 && strcmp(argv[1], "descriptor") != 0)) {
        fputs("usage: print_keys config|descriptor\n", stderr);
        return 1;
    }
    keys = strcmp(argv[1], "config") == 0 ? config_keys(&n) : descriptor_keys(&n);
    for (size_t i = 0; i < n; i++)
        puts(keys[i]);
    return 0;
}
