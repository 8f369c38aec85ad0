/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy_command.h - arguments and environment that a proxy starts with. Engines run the host's ps
 * over the proxies' pids (docker top) or read their /proc (podman top), so a proxy has the guest
 * process's words as its own; what it must know itself is in its environment. For create and exec.
 */
#ifndef CLI_PROXY_COMMAND_H
#define CLI_PROXY_COMMAND_H
#include "base/str.h"
#include "oci/oci.h"

#define PROXY_STATE_ENV "ANYVISOR_STATE" /* the container's state directory */

struct proxy_command {
    struct strv argv, env; /* NULL-terminated */
};

void proxy_command_make(const struct oci_process *process, const char *state_dir,
                        struct proxy_command *ret);
void proxy_command_done(struct proxy_command *c);

#endif
