/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame.h - frames: what one byte stream between host and agent carries.
 *
 * Head, 16 bytes little-endian: u32 magic+type (0xA5, 0x56, u16 type), u32 body length, u32 id,
 * u32 seq. id names a process (HELLO and sandbox requests: 0), seq pairs a reply with its request.
 * A body has at most FRAME_BODY_MAX bytes, stream data at most STREAM_DATA_MAX.
 *
 * Flow of a session:  host ATTACH -> guest HELLO -> host SETUP -> guest REPLY -> requests, replies,
 * events, data. The host speaks first, with a number of its choice in seq, because no carrier tells
 * both ends reliably that the other one is new: virtio-serial merges a leaving and a coming host
 * into one edge, a Xen console keeps bytes for the next reader. HELLO repeats the number; whatever
 * the host reads before it belongs to an older session, cut off anywhere, and is skipped byte by
 * byte. Streams have credit: a sender may have at most STREAM_WINDOW bytes unacknowledged per
 * stream and direction; the receiver returns credit when the bytes have left it (pipe or file
 * written), so one stalled reader stops one stream only.
 */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROTO_VERSION 1u
#define FRAME_HEAD_SIZE 16u
#define FRAME_BODY_MAX (1u << 20)
#define STREAM_DATA_MAX (32u << 10)
#define STREAM_WINDOW (256u << 10)
#define NAMES_MIN 12u /* the head of a message of DNS */
#define NAMES_MAX 4096u

enum frame_type {
    /* guest -> host */
    FRAME_HELLO = 1, /* struct msg_hello; seq of the ATTACH it answers */
    FRAME_REPLY,     /* struct msg_reply; seq of the request */
    FRAME_EXITED,    /* struct msg_exited; id = process; tells what of its output follows */
    FRAME_OOM,       /* id = the container's init process; msg_oom or no body */
    FRAME_LOG,       /* text of the agent for the host's log */
    /* host -> guest: requests; each gets one REPLY with the same seq */
    FRAME_SETUP = 32, /* struct msg_setup */
    FRAME_CREATE,     /* id = init process; struct plan_container: all up to before exec */
    FRAME_START,      /* id = init process: startContainer hooks, exec */
    FRAME_EXEC,       /* id = new process; struct msg_exec: runs when the reply says 0 */
    FRAME_SIGNAL,     /* id = process; struct msg_signal */
    FRAME_RESIZE,     /* id = process; struct msg_resize */
    FRAME_PAUSE,      /* id = init process: cgroup freezer */
    FRAME_RESUME,
    FRAME_UPDATE,   /* id = init process; plan_cgroup as body */
    FRAME_STATS,    /* id = init process; reply carries struct msg_stats */
    FRAME_PS,       /* id = init process; reply carries struct msg_ps */
    FRAME_DELETE,   /* id = init process: kill the rest, unmount, forget; reply when free */
    FRAME_POWEROFF, /* kill all, sync, power off; reply, then the VM ends */
    FRAME_NETWORK,  /* struct msg_network: all of the VM's network namespace */
    FRAME_PING,
    FRAME_ATTACH,   /* seq = any number, no body; answered by HELLO: a new session begins */
    FRAME_MOUNT,    /* id = init process: its PLAN_M_NFS, once the network is there, before START */
    FRAME_CONNECT,  /* id = new connection, msg_connect: its streams are stdin and stdout of that id
                     * when the reply says 0, and EXITED comes when both have ended */
    FRAME_RESOLVER, /* msg_resolver: from now on questions to that name server come as NAMES */
    FRAME_CLOCK, /* msg_clock: correct the machine's clock; reply carries msg_clock: what it shows
                  */
    FRAME_CPUS,  /* msg_cpus: use those that the machine has got; reply carries msg_cpus */
    /* both directions: streams of a process; the low two bits of seq name the stream */
    FRAME_DATA = 64, /* raw bytes */
    FRAME_EOF,       /* no more data in this direction */
    FRAME_CREDIT,    /* body: u32 bytes consumed */
    FRAME_CLOSE,     /* receiver has gone: sender's writer shall see EPIPE */
    FRAME_NAMES,     /* one message of DNS, a question or its answer; may be lost like a datagram */
};

enum { STREAM_STDIN, STREAM_STDOUT, STREAM_STDERR }; /* a terminal has stdin and stdout only */

struct frame_head {
    uint16_t type;
    uint32_t len, id, seq;
};

void frame_head_put(uint8_t head[FRAME_HEAD_SIZE], const struct frame_head *h);
/* -EPROTO: no magic, or a length above the type's limit. */
int frame_head_get(const uint8_t head[FRAME_HEAD_SIZE], struct frame_head *ret);

/*
 * Incremental reader for a non-blocking stream. feed() takes bytes as they come; next() gives whole
 * frames, valid until the following feed(). A body is gathered in one buffer of at most
 * FRAME_BODY_MAX, grown on demand and shrunk again after a large frame.
 */
struct frame_reader {
    uint8_t *buf;
    size_t len, cap, used;
};
void frame_reader_done(struct frame_reader *r);
void frame_reader_reset(struct frame_reader *r); /* forget what is in it, keep the buffer */
/* Room for at least min bytes; the caller reads into it and calls commit. NULL without memory. */
uint8_t *frame_reader_space(struct frame_reader *r, size_t min, size_t *ret_room);
void frame_reader_commit(struct frame_reader *r, size_t n);
/* Skip to the head of a frame of this type and seq with id 0: true when it is the next one. Adds
 * what was skipped to *skipped, and to *knocks the heads of zeros in it: with one an agent says
 * that it listens from now on. No terminal's echo has them: it shows a zero as two letters. */
bool frame_reader_seek(struct frame_reader *r, uint16_t type, uint32_t seq, size_t *skipped,
                       unsigned *knocks);
/* 1 with *ret and *ret_body (borrowed), 0 more bytes needed, -EPROTO. */
int frame_reader_next(struct frame_reader *r, struct frame_head *ret, const uint8_t **ret_body);

#endif
