/* SPDX-License-Identifier: Apache-2.0 */
/* Whether there is memory for one more VM that waits. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/path.h"
#include "cli/pool/pool.h"

#define ROOM (128 * MIB) /* beside the VM's memory */

/* What Linux says that may be used without swapping, in bytes; UINT64_MAX: it does not say. */
static int read_available(uint64_t *ret, struct err *err)
{
    static const char word[] = "MemAvailable:";
    cleanup_free char *text = NULL;
    unsigned long long kib = 0;
    const char *at;
    int r = path_read(AT_FDCWD, "/proc/meminfo", 64 << 10, &text, NULL, err);

    if (r < 0)
        return r;
    at = strstr(text, word);
    *ret = at && sscanf(at + sizeof(word) - 1, "%llu", &kib) == 1 ? kib * KIB : UINT64_MAX;
    return 0;
}

/* The back-end is asked, which takes a process. */
static bool memory_is_apart(struct creation *c)
{
    size_t i = (size_t)(c->choice.back_end - c->choice.descriptors.v);

    choice_probe(c->cli, &c->choice, i);
    return c->choice.probed[i].usable &&
           (c->choice.probed[i].info.caps.flags & HVP_CAP_MEMORY_APART);
}

int pool_check_room(struct creation *c, struct err *err)
{
    uint64_t needed = c->choice.decision.size.memory + ROOM, available;
    int r = read_available(&available, err);

    if (r < 0)
        return r;
    if (fault_point("cli.pool-room") < 0)
        available = 0;
    if (available < needed && memory_is_apart(c))
        needed = ROOM;
    return available >= needed
               ? 0
               : err_set(err, ENOMEM,
                         "%" PRIu64
                         " MiB of memory are available, a VM that waits may take %" PRIu64,
                         available / MIB, needed / MIB);
}
