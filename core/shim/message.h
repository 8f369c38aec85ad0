/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message.h - between C and containerd's messages: packing, times, names of types.
 * For core/shim; the messages themselves are generated from shim.proto.
 */
#ifndef SHIM_MESSAGE_H
#define SHIM_MESSAGE_H
#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define TYPE_FEATURES "types.containerd.io/opencontainers/runtime-spec/1/features/Features"
#define TYPE_METRICS "io.containerd.cgroups.v2.Metrics"
#define TYPE_PROCESS_DETAILS "containerd.runc.v1.ProcessDetails"
#define TYPE_RUNC_OPTIONS "containerd.runc.v1.Options"
#define TYPE_RUNTIME_OPTIONS "runtimeoptions.v1.Options"

/* For whoever includes shim.pb-c.h: a struct timespec as a message. */
#define TIMESTAMP_OF(ts)                                                                           \
    {                                                                                              \
        PROTOBUF_C_MESSAGE_INIT(&pb__timestamp__descriptor), (ts).tv_sec, (int32_t)(ts).tv_nsec    \
    }

/* Bytes of a message; the caller frees. */
struct packed {
    uint8_t *data;
    size_t len;
};
struct packed message_pack(const ProtobufCMessage *m); /* NULL: no bytes */

/* For cleanup_call: a pointer to a message as unpack gave it. */
void message_free(void *message_pp);

/* Text that a strict reader of protobuf takes: bytes that are no UTF-8 become '?', in place. */
void message_tame(char *text);

#endif
