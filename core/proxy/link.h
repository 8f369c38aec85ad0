/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.h - the proxy's end of its connection with the monitor, descriptor IPC_FIRST_FD.
 * For main.c only; libc and the protocol, nothing else.
 */
#ifndef PROXY_LINK_H
#define PROXY_LINK_H
#include <stddef.h>
#include <stdint.h>
#include "monitor/ipc.h"

#define LINK_FDS_MAX 16

struct link_frame {
    uint16_t type;
    int32_t status; /* of IPC_PROXY_EXIT */
    int fds[LINK_FDS_MAX];
    size_t n_fds;
};

/* A monitor that is gone shows when receiving; senders need not care. */
void link_send_signal(unsigned signo);
void link_send_resize(unsigned rows, unsigned cols);

/* One whole frame; 0, or -1 when the connection has ended. */
int link_receive(struct link_frame *ret);

#endif
