/* SPDX-License-Identifier: Apache-2.0 */
/* The host's SETUP: who the machine is. */
#include "agent/agent.h"
#include "agent/container/container.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>
#include <linux/random.h>

#include "base/cleanup.h"

#define ENTROPY_MAX 4096

/* The guest may be one of many that came from the same template: until here they all would draw the
 * same random numbers, and whoever draws one before has a twin. So it is the first thing, and must
 * not fail. */
static int add_entropy(const struct agent *a, const uint8_t *data, size_t len, struct err *err)
{
    cleanup_free struct rand_pool_info *pool = NULL;

    if (len == 0)
        return 0; /* the host's decision */
    if (len > ENTROPY_MAX)
        return err_set(err, EINVAL, "%zu bytes of entropy are more than %d", len, ENTROPY_MAX);
    pool = calloc(1, sizeof(*pool) + len);
    if (!pool)
        return err_set(err, ENOMEM, "out of memory for entropy");
    pool->entropy_count = (int)len * 8;
    pool->buf_size = (int)len;
    memcpy(pool->buf, data, len);
    if (ioctl(a->urandom_fd, RNDADDENTROPY, pool) < 0 || ioctl(a->urandom_fd, RNDRESEEDCRNG) < 0)
        return err_set(err, errno, "reseed the random number generator: %m");
    return 0;
}

static int open_share(struct agent *a, const struct msg_setup *m, struct err *err)
{
    const char *dir = AGENT_SHARE;

    if (a->share_fd >= 0 || (!m->share_tag && !m->share_dir))
        return 0;
    if (m->share_dir && !a->at.machine)
        dir = m->share_dir;
    else if (!m->share_tag)
        return err_set(err, EINVAL, "a machine's share needs a mount tag");
    else if (mount(m->share_tag, dir, "9p", 0, m->share_options) < 0)
        return err_set(err, errno, "mount share '%s' with '%s': %m", m->share_tag,
                       m->share_options ? m->share_options : "");
    else
        a->share_mounted = true;
    a->share_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    free(a->share_dir);
    a->share_dir = strdup(dir);
    return a->share_fd < 0 ? err_set(err, errno, "open share '%s': %m", dir) : 0;
}

int machine_setup(struct agent *a, const struct msg_setup *m, struct err *err)
{
    int r = a->at.machine ? add_entropy(a, m->entropy, m->entropy_len, err) : 0;

    if (r < 0)
        return r;
    if (a->at.machine) {
        clock_set(m->realtime_ns);
        for (size_t i = 0; i < m->modules.n; i++)
            if (modules_group(a, m->modules.v[i], err) < 0)
                agent_log(a, "module group '%s': %s, ignoring", m->modules.v[i], err->msg);
    }
    if (!a->at.machine)
        machine_loopback_up();
    if (!a->containers)
        spare_make(a);
    if (m->hostname && sethostname(m->hostname, strlen(m->hostname)) < 0)
        return err_set(err, errno, "set hostname '%s': %m", m->hostname);
    return open_share(a, m, err);
}
