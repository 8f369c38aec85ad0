/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/message.h"
#include "base/str.h"

struct packed message_pack(const ProtobufCMessage *m)
{
    struct packed p = {NULL, m ? protobuf_c_message_get_packed_size(m) : 0};

    if (p.len > 0) {
        p.data = xcalloc(1, p.len);
        protobuf_c_message_pack(m, p.data);
    }
    return p;
}

void message_free(void *message_pp)
{
    ProtobufCMessage *m = *(ProtobufCMessage **)message_pp;

    if (m)
        protobuf_c_message_free_unpacked(m, NULL);
}

/* Bytes of the character at s, 0 when it is none. */
static size_t character(const unsigned char *s)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : 0;

    if ((s[0] & 0xf8) == 0xf0 && s[0] < 0xf5)
        n = 4;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if (n == 3 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)))
        return 0;
    if (n == 4 && ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)))
        return 0;
    return n;
}

void message_tame(char *text)
{
    while (*text) {
        size_t n = character((const unsigned char *)text);

        if (n == 0)
            *text = '?';
        text += n ? n : 1;
    }
}
