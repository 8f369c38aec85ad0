/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include <stdlib.h>
#include "storage/uri.h"

/* "key=value key=value", then what else is known. */
static char *told(const struct storage_uri *u)
{
    char *text = xasprintf("%d", (int)u->protocol);

    for (size_t i = 0; i <= u->options.n; i++) {
        char *longer =
            i < u->options.n
                ? xasprintf("%s %s=%s", text, u->options.v[i].key, u->options.v[i].value)
                : xasprintf("%s%s%s%s%s%s%s%s%s%s%s%s%s", text, u->socket ? " S:" : "",
                            u->socket ? u->socket : "", u->conf ? " C:" : "",
                            u->conf ? u->conf : "", u->format ? " F:" : "",
                            u->format ? u->format : "", u->server ? " " : "",
                            u->server ? u->server : "", u->path ? ":" : "", u->path ? u->path : "",
                            u->tls ? " tls" : "", u->needs_secret ? " secret" : "");

        free(text);
        text = longer;
    }
    return text;
}

TEST(each_kind_of_volume_is_taken_apart)
{
    static const struct {
        const char *uri, *want, *shown;
    } t[] = {
        {"nbd://store/data", "1 host=store export=data", "nbd://store/data"},
        {"nbd://store:7/a/b%20c?timeout=5&format=qcow2",
         "1 host=store port=7 export=a/b c timeout=5 F:qcow2", "nbd://store:7/a/b%20c"},
        {"nbd://[fe80::1]:10810", "1 host=fe80::1 port=10810", "nbd://[fe80::1]:10810"},
        {"nbd://10.0.0.1/", "1 host=10.0.0.1", "nbd://10.0.0.1/"},
        {"nbds://store/x", "1 host=store export=x tls_kind=x509 tls_hostname=store tls secret",
         "nbds://store/x"},
        {"nbds://alice@store/x", "1 host=store export=x tls_kind=psk tls_user=alice tls secret",
         "nbds://store/x"},
        {"nbds://10.0.0.1/x?tls-hostname=store",
         "1 host=10.0.0.1 export=x tls_kind=x509 tls_hostname=store tls secret",
         "nbds://10.0.0.1/x"},
        {"nbd+unix:///x?socket=/run/nbd/s", "1 export=x S:/run/nbd/s",
         "nbd+unix:///x?socket=/run/nbd/s"},
        {"nbd+unix://?socket=/run/nbd/s", "1 S:/run/nbd/s", "nbd+unix://?socket=/run/nbd/s"},
        {"iscsi://h/iqn.2001-04.com.example:disk/3",
         "2 portal=h target=iqn.2001-04.com.example:disk lun=3",
         "iscsi://h/iqn.2001-04.com.example:disk/3"},
        {"iscsi://bob@[::1]:3261/iqn.x/0?initiator=iqn.me&timeout=0",
         "2 portal=[::1]:3261 target=iqn.x lun=0 user=bob initiator=iqn.me timeout=0 secret",
         "iscsi://[::1]:3261/iqn.x/0"},
        {"rbd:pool/image", "3 pool=pool image=image", "rbd:pool/image"},
        {"rbd:p/ns/i?user=u&conf=/etc/c&format=raw",
         "3 pool=p namespace=ns image=i user=u C:/etc/c F:raw secret", "rbd:p/ns/i"},
        {"rbd:p/i?mon=a:1,[::1]:2", "3 pool=p image=i mon=a:1,[::1]:2", "rbd:p/i"},
        {"iscsi://iqn.x%3Ay@h/iqn.x/0", "2 portal=h target=iqn.x lun=0 user=iqn.x:y secret",
         "iscsi://h/iqn.x/0"},
        {"nfs://h:2050/srv/a%20b", "4 port=2050 h:/srv/a b", "nfs://h:2050/srv/a%20b"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct storage_uri u = {0};
        struct err err = ERR_INIT;
        char *got;

        CHECK(storage_is_uri(t[i].uri));
        CHECK_OK(storage_uri_parse(t[i].uri, &u, &err), err);
        got = told(&u);
        CHECK_STR_EQ(got, t[i].want);
        CHECK_STR_EQ(u.shown, t[i].shown);
        free(got);
        storage_uri_done(&u);
    }
}

TEST(what_is_wrong_with_a_uri_is_said)
{
    static const struct {
        const char *uri, *say;
    } t[] = {
        {"http://h/x", "a volume is nbd:"},
        {"/path", "a volume is nbd:"},
        {"nbd:", "server's name is missing"},
        {"nbd:///x", "server's name is missing"},
        {"nbd://-o/x", "no server's name"},
        {"nbd://h$/x", "no '$' in it"},
        {"nbd://h:0/x", "the port is not a number"},
        {"nbd://h:/x", "the port is not a number"},
        {"nbd://h:65536/x", "the port is not a number"},
        {"nbd://[::1/x", "lacks its ']'"},
        {"nbd://[::1]x/x", "between ']' and the port"},
        {"nbd://u@h/x", "has no users"},
        {"nbd://h/x%", "two hexadecimal digits"},
        {"nbd://h/x%0", "two hexadecimal digits"},
        {"nbd://h/x%zz", "two hexadecimal digits"},
        {"nbd://h/x%00", "control character"},
        {"nbd://h/x\n", "control character"},
        {"nbd://h/x#f", "'#'"},
        {"nbd://h/x?time=5", "unknown word 'time'"},
        {"nbd://h/x?timeut=5", "did you mean 'timeout'"},
        {"nbd://h/x?timeout", "has no value"},
        {"nbd://h/x?timeout=", "has no value"},
        {"nbd://h/x?timeout=1&timeout=1", "twice"},
        {"nbd://h/x?timeout=86401", "0 to 86400"},
        {"nbd://h/x?format=vmdk", "raw or qcow2"},
        {"nbd://h/x?tls-hostname=a", "unknown word"},
        {"nbds://@h/x", "user's name is empty"},
        {"nbd+unix://h/x?socket=/s/s", "no server's name"},
        {"nbd+unix:///x", "needs the socket's path"},
        {"nbd+unix:///x?socket=s", "not a plain absolute path"},
        {"nbd+unix:///x?socket=/a/../s", "not a plain absolute path"},
        {"nbd+unix:///x?socket=/a//s", "not a plain absolute path"},
        {"nbd+unix:///x?socket=/a/..", "not a plain absolute path"},
        {"nbd+unix:///x?socket=/a/s&timeout=z", "volume 'nbd+unix:///x?socket=/a/s': timeout is"},
        {"nbd+unix:///x?socket=/s", "a directory of its own"},
        {"iscsi://h/iqn.x", "target and unit"},
        {"iscsi://h/iqn.x/", "target and unit"},
        {"iscsi://h/iqn.x/16384", "target and unit"},
        {"iscsi://h/disk/1", "'disk' is not a name"},
        {"iscsi://h/iqn.x,y/1", "no ',' in it"},
        {"iscsi://h/iqn.x/1?initiator=me", "'me' is not a name"},
        {"rbd:image", "pool and image"},
        {"rbd://p/i", "pool and image"},
        {"rbd:p/i@snap", "pool and image"},
        {"rbd:p/i:key=x", "pool and image"},
        {"rbd:a/b/c/d", "pool and image"},
        {"rbd:p/", "1 to 255 bytes"},
        {"rbd:p/i?conf=c", "not a plain absolute path"},
        {"rbd:p/i?mon=a", "mon is HOST:PORT"},
        {"rbd:p/i?mon=a:0", "mon is HOST:PORT"},
        {"rbd:p/i?mon=a:1,", "mon is HOST:PORT"},
        {"rbd:p/i?mon=-a:1", "mon is HOST:PORT"},
        {"rbd:p/i?mon=a=b:1", "mon is HOST:PORT"},
        {"nfs://h", "exported directory"},
        {"nfs://h/x?vers=4.1", "unknown word 'vers'"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct storage_uri u = {0};
        struct err err = ERR_INIT;

        CHECK_INT_EQ(storage_uri_parse(t[i].uri, &u, &err), -EINVAL);
        CHECK_CONTAINS(err.msg, t[i].say);
        CHECK_INT_EQ(err.phase, PHASE_CONFIG);
        CHECK(u.shown == NULL);
    }
}

TEST(a_password_is_refused_and_not_repeated)
{
    static const char *const t[] = {
        "iscsi://u:s3cret@h/iqn.x/1",        "iscsi://u%s3cret@h/iqn.x/1", "nbds://u:s3cret@h/x",
        "iscsi://u:s3cret/more@h/iqn.x/1",   "nbd:u:s3cret@h/x",           "nfs://u:s3cret@h/x",
        "iscsi://h/iqn.x/1?password=s3cret", "rbd:p/i?user=u&key=s3cret",
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct storage_uri u = {0};
        struct err err = ERR_INIT;

        CHECK_INT_EQ(storage_uri_parse(t[i], &u, &err), -EINVAL);
        CHECK(!strstr(err.msg, "s3cret"));
        CHECK(err.msg[0]);
    }
}

TEST(a_uri_has_a_longest_length)
{
    struct storage_uri u = {0};
    struct err err = ERR_INIT;
    char *text = xcalloc(1, STORAGE_URI_MAX + 2);

    memset(text, 'x', STORAGE_URI_MAX + 1);
    memcpy(text, "nbd://h/", 8);
    CHECK_INT_EQ(storage_uri_parse(text, &u, &err), -EINVAL);
    text[STORAGE_URI_MAX] = '\0';
    CHECK_OK(storage_uri_parse(text, &u, &err), err);
    storage_uri_done(&u);
    free(text);
}
