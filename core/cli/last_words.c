/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/last_words.h"
#include <signal.h>
#include "monitor/ipc.h"

#define STATUS_LOST (128 + SIGKILL) /* what a proxy ends with whose guest is gone */

void last_words_tell(const struct cli *cli, int monitor, int status)
{
    struct err err = ERR_INIT;

    if (status == STATUS_LOST && monitor >= 0 && ipc_last_words(monitor, &err))
        cli_report(cli, &err);
}
