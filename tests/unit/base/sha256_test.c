/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include "base/sha256.h"

static const char *hash(const char *text, size_t piece, char ret[SHA256_HEX])
{
    struct sha256 s;
    size_t n = strlen(text);

    sha256_init(&s);
    for (size_t at = 0; at < n; at += piece)
        sha256_add(&s, text + at, n - at < piece ? n - at : piece);
    sha256_hex(&s, ret);
    return ret;
}

/* FIPS 180-2, appendix B, and the lengths around a block's end. */
TEST(known_texts_have_their_hashes)
{
    static const struct {
        const char *text, *hash;
    } t[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"1234567890123456789012345678901234567890123456789012345678901234",
         "676491965ed3ec50cb7a63ee96315480a95c54426b0b72bca8a0d4ad1285ad55"},
    };
    char hex[SHA256_HEX];

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        CHECK_STR_EQ(hash(t[i].text, 1000, hex), t[i].hash);
        CHECK_STR_EQ(hash(t[i].text, 7, hex), t[i].hash);
    }
}

TEST(a_name_has_one_uuid_that_says_of_what_kind_it_is)
{
    char uuid[SHA256_UUID];

    sha256_uuid("abc", uuid);
    CHECK_STR_EQ(uuid, "ba7816bf-8f01-8fea-8141-40de5dae2223");
    sha256_uuid("", uuid);
    CHECK_STR_EQ(uuid, "e3b0c442-98fc-8c14-9afb-f4c8996fb924");
}
