/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever may come over the shim's socket: frames, the request in each, its payload as each of the
 * methods' requests. */
/* link: av_shim */
#include <stddef.h>
#include <stdint.h>
#include "shim.pb-c.h"
#include "shim/message.h"
#include "shim/shim.h"
#include "shim/ttrpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_all(const Pb__Request *r)
{
    for (const struct method *m = service_methods; m->name; m++) {
        ProtobufCMessage *message =
            protobuf_c_message_unpack(m->request, NULL, r->payload.len, r->payload.data);

        if (message)
            protobuf_c_message_free_unpacked(message, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ttrpc_reader reader = {0};
    size_t at = 0;

    while (at < size) {
        struct ttrpc_head h;
        int whole;
        long taken =
            ttrpc_reader_take(&reader, data + at, size - at < 61 ? size - at : 61, &h, &whole);
        Pb__Request *r;

        if (taken < 0)
            break;
        at += (size_t)taken;
        if (!whole)
            continue;
        r = pb__request__unpack(NULL, h.len, reader.data);
        if (r) {
            try_all(r);
            message_tame(r->service);
            pb__request__free_unpacked(r, NULL);
        }
        ttrpc_reader_done(&reader);
    }
    ttrpc_reader_done(&reader);
    return 0;
}
