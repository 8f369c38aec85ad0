/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sha256.h - SHA-256 (FIPS 180-4) of what is fed to it piece by piece.
 * For names and checksums of cached images, and UUIDs of VMs.
 */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H
#include <stddef.h>
#include <stdint.h>

#define SHA256_HEX 65 /* bytes of its text, NUL included */
#define SHA256_UUID 37

struct sha256 {
    uint32_t h[8];
    uint64_t bytes;
    uint8_t block[64];
};

void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t len);
void sha256_hex(struct sha256 *s, char ret[SHA256_HEX]); /* ends it */
/* The UUID of a name, of version 8 (RFC 9562): the name's hash around the bits that say so. */
void sha256_uuid(const char *name, char ret[SHA256_UUID]);

#endif
