/* SPDX-License-Identifier: Apache-2.0 */
#include "vsock.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include "common/util.h"

#define CID_FIRST 3u /* 0 to 2 are the hypervisor, the loopback and the host */
#define CID_LAST 0xfffffffeu
#define TRIES 64

static uint32_t random_cid(void)
{
    uint32_t n = 0;

    if (getrandom(&n, sizeof(n), GRND_NONBLOCK) != sizeof(n))
        n = (uint32_t)getpid();
    return CID_FIRST + n % (CID_LAST - CID_FIRST);
}

int vsock_claim(uint32_t wanted, uint32_t *ret_cid, int *ret_fd, struct hvp_error *err)
{
    cleanup_close int fd = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return hvp_fail(err, errno, "open '/dev/vhost-vsock': %m");
    for (int i = 0; i < TRIES; i++) {
        uint64_t cid = wanted ? wanted : random_cid();

        if (ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &cid) == 0) {
            *ret_cid = (uint32_t)cid;
            *ret_fd = steal_fd(&fd);
            return 0;
        }
        if (wanted || errno != EADDRINUSE)
            return hvp_fail(err, errno, "claim vsock address %u: %m", (unsigned)cid);
    }
    return hvp_fail(err, EADDRINUSE, "no free vsock address found in %d tries", TRIES);
}
