/* SPDX-License-Identifier: Apache-2.0 */
/* print_keys config|descriptor: the keys that the YAML parsers know, one a line; for keys.py. */
#include <stdio.h>
#include <string.h>
#include "config/config.h"

int main(int argc, char **argv)
{
    struct strv keys = {0};

    if (argc != 2 || (strcmp(argv[1], "config") != 0 && strcmp(argv[1], "descriptor") != 0)) {
        fputs("usage: print_keys config|descriptor\n", stderr);
        return 1;
    }
    if (strcmp(argv[1], "config") == 0)
        config_keys(&keys);
    else
        descriptor_keys(&keys);
    for (size_t i = 0; i < keys.n; i++)
        puts(keys.v[i]);
    strv_done(&keys);
    return 0;
}
