/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "kvm/disk.h"

/* Up to six options; the disk keeps pointing into it. */
struct setup {
    struct hvp_kv options[6];
    struct hvp_disk d;
};

static struct hvp_disk *disk(struct setup *s, uint32_t protocol, size_t n)
{
    s->d = (struct hvp_disk){
        .d = {.struct_size = sizeof(struct hvp_disk), .kind = HVP_DEV_DISK, .tag = "data"},
        .protocol = protocol,
        .format = HVP_FORMAT_RAW,
        .path = "",
        .options = s->options,
        .n_options = n};
    return &s->d;
}

static const char *text(struct json_object *o)
{
    static char copy[1024];

    snprintf(
        copy, sizeof(copy), "%s",
        json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
    return copy;
}

#define HEAD                                                                                       \
    "{\"driver\":\"raw\",\"node-name\":\"n-data\",\"read-only\":false,\"discard\":\"ignore\","     \
    "\"file\":{"
#define TAIL ",\"discard\":\"ignore\",\"read-only\":false}}"

TEST(a_read_only_disk_is_opened_read_only_below_too)
{
    struct setup s;
    struct hvp_disk *d = disk(&s, HVP_PROTO_FILE, 0);

    d->path = "/img \"x\"";
    d->format = HVP_FORMAT_QCOW2;
    d->d.flags = HVP_F_READONLY;
    d->cache = HVP_CACHE_NONE;
    d->discard = 1;
    CHECK_STR_EQ(text(disk_node(d)),
                 "{\"driver\":\"qcow2\",\"node-name\":\"n-data\",\"read-only\":true,"
                 "\"discard\":\"unmap\",\"cache\":{\"direct\":true,\"no-flush\":false},"
                 "\"backing\":null,\"file\":{\"driver\":\"file\",\"filename\":\"/img \\\"x\\\"\","
                 "\"discard\":\"unmap\",\"cache\":{\"direct\":true,\"no-flush\":false},"
                 "\"read-only\":true}}");
}

TEST(each_option_of_nbd_has_its_place)
{
    struct setup s = {.options = {{"socket", "/s"}, {"export", "e"}}};
    struct hvp_error err = {0};

    CHECK_OK(disk_check(disk(&s, HVP_PROTO_NBD, 2), &err), err);
    CHECK_STR_EQ(text(disk_node(&s.d)),
                 HEAD "\"driver\":\"nbd\",\"server\":{\"type\":\"unix\",\"path\":\"/s\"},"
                      "\"export\":\"e\",\"reconnect-delay\":30" TAIL);
    CHECK(!disk_has_tls(&s.d));
    s = (struct setup){.options = {{"host", "h"}}};
    CHECK_OK(disk_check(disk(&s, HVP_PROTO_NBD, 1), &err), err);
    CHECK_CONTAINS(text(disk_node(&s.d)),
                   "\"server\":{\"type\":\"inet\",\"host\":\"h\",\"port\":\"10809\"}");
    s = (struct setup){.options = {{"host", "::1"}, {"port", "7"}, {"timeout", "0"}}};
    CHECK_OK(disk_check(disk(&s, HVP_PROTO_NBD, 3), &err), err);
    CHECK_CONTAINS(text(disk_node(&s.d)), "\"host\":\"::1\",\"port\":\"7\"},\"reconnect-delay\":0");
}

TEST(nbd_over_tls_names_its_credentials)
{
    struct setup s = {.options = {{"host", "10.0.0.1"},
                                  {"tls_dir", "/d"},
                                  {"tls_hostname", "store"},
                                  {"tls_kind", "x509"}}};
    struct hvp_error err = {0};

    CHECK_OK(disk_check(disk(&s, HVP_PROTO_NBD, 4), &err), err);
    CHECK_CONTAINS(text(disk_node(&s.d)), "\"tls-creds\":\"c-data\",\"tls-hostname\":\"store\"");
    CHECK_STR_EQ(text(disk_tls(&s.d)),
                 "{\"qom-type\":\"tls-creds-x509\",\"id\":\"c-data\",\"endpoint\":\"client\","
                 "\"dir\":\"/d\",\"verify-peer\":true}");
    s.options[3].value = "psk";
    s.options[4] = (struct hvp_kv){"tls_user", "u"};
    CHECK_OK(disk_check(disk(&s, HVP_PROTO_NBD, 5), &err), err);
    CHECK_STR_EQ(text(disk_tls(&s.d)),
                 "{\"qom-type\":\"tls-creds-psk\",\"id\":\"c-data\",\"endpoint\":\"client\","
                 "\"dir\":\"/d\",\"username\":\"u\"}");
}

TEST(each_option_of_iscsi_has_its_place)
{
    struct setup s = {.options = {{"portal", "p:3260"},
                                  {"target", "iqn.x"},
                                  {"lun", "3"},
                                  {"user", "u"},
                                  {"initiator", "iqn.me"},
                                  {"timeout", "5"}}};
    struct hvp_error err = {0};

    disk(&s, HVP_PROTO_ISCSI, 6)->secret_file = "/secret";
    CHECK_OK(disk_check(&s.d, &err), err);
    CHECK_STR_EQ(text(disk_node(&s.d)), HEAD
                 "\"driver\":\"iscsi\",\"transport\":\"tcp\",\"portal\":\"p:3260\","
                 "\"target\":\"iqn.x\",\"lun\":3,\"user\":\"u\",\"password-secret\":\"s-data\","
                 "\"initiator-name\":\"iqn.me\",\"timeout\":5" TAIL);
    CHECK_STR_EQ(text(disk_secret(&s.d, 12)),
                 "{\"qom-type\":\"secret\",\"id\":\"s-data\",\"file\":\"/proc/self/fd/12\","
                 "\"format\":\"raw\"}");
    CHECK_OK(disk_check(disk(&s, HVP_PROTO_ISCSI, 2), &err), err);
    CHECK_CONTAINS(text(disk_node(&s.d)), "\"target\":\"iqn.x\",\"lun\":0,\"timeout\":30");
}

TEST(each_option_of_rbd_has_its_place)
{
    struct setup s = {
        .options = {
            {"pool", "p"}, {"image", "i"}, {"user", "u"}, {"conf", "/c"}, {"namespace", "n"}}};
    struct hvp_error err = {0};

    disk(&s, HVP_PROTO_RBD, 5)->secret_file = "/secret";
    s.d.format = HVP_FORMAT_QCOW2;
    CHECK_OK(disk_check(&s.d, &err), err);
    CHECK_CONTAINS(text(disk_node(&s.d)), "{\"driver\":\"qcow2\",");
    CHECK_CONTAINS(
        text(disk_node(&s.d)),
        "\"file\":{\"driver\":\"rbd\",\"pool\":\"p\",\"namespace\":\"n\",\"image\":\"i\","
        "\"conf\":\"/c\",\"user\":\"u\",\"key-secret\":\"s-data\"" TAIL);
    CHECK_CONTAINS(text(disk_secret(&s.d, 9)), "\"format\":\"base64\"");
    s.options[3] = (struct hvp_kv){"mon", "10.0.0.1:6789,[fd00::2]:3300"};
    CHECK_CONTAINS(text(disk_node(&s.d)), "\"server\":[{\"host\":\"10.0.0.1\",\"port\":\"6789\"},"
                                          "{\"host\":\"fd00::2\",\"port\":\"3300\"}]");
}

TEST(what_cannot_be_opened_is_refused)
{
    static const struct {
        uint32_t protocol, format;
        const char *path, *secret_file, *say;
        struct hvp_kv options[4];
    } t[] = {
        {HVP_PROTO_FILE, 1, "relative", NULL, "not an absolute path", {{0}}},
        {HVP_PROTO_FILE, 17, "/x", NULL, "format 17", {{0}}},
        {HVP_PROTO_FILE, 1, "/x", "/s", "no secret file", {{0}}},
        {HVP_PROTO_FILE, 1, "/x", NULL, "unknown option 'pool'", {{"pool", "p"}}},
        {9, 1, "", NULL, "protocol 9", {{0}}},
        {HVP_PROTO_NBD, 1, "", NULL, "nbd needs 'socket' or 'host'", {{0}}},
        {HVP_PROTO_NBD, 1, "", NULL, "nbd needs", {{"socket", "/s"}, {"host", "h"}}},
        {HVP_PROTO_NBD, 1, "", NULL, "not an absolute path", {{"socket", "s"}}},
        {HVP_PROTO_NBD, 1, "", NULL, "not a port", {{"socket", "/s"}, {"port", "1"}}},
        {HVP_PROTO_NBD, 1, "", NULL, "not a port", {{"host", "h"}, {"port", "65536"}}},
        {HVP_PROTO_NBD, 1, "", NULL, "not a port", {{"host", "h"}, {"port", "x"}}},
        {HVP_PROTO_NBD, 1, "", NULL, "given twice", {{"host", "h"}, {"host", "i"}}},
        {HVP_PROTO_NBD, 1, "", "/s", "no password", {{"host", "h"}}},
        {HVP_PROTO_NBD, 1, "", NULL, "'tls_dir'", {{"host", "h"}, {"tls_kind", "psk"}}},
        {HVP_PROTO_NBD,
         1,
         "",
         NULL,
         "x509 or psk",
         {{"host", "h"}, {"tls_dir", "/d"}, {"tls_kind", "y"}}},
        {HVP_PROTO_NBD, 1, "", NULL, "absolute path", {{"host", "h"}, {"tls_dir", "d"}}},
        {HVP_PROTO_NBD, 1, "", NULL, "timeout", {{"host", "h"}, {"timeout", "1h"}}},
        {HVP_PROTO_ISCSI, 1, "", NULL, "'portal' and 'target'", {{"portal", "p"}}},
        {HVP_PROTO_ISCSI,
         1,
         "",
         NULL,
         "lun '-1'",
         {{"portal", "p"}, {"target", "t"}, {"lun", "-1"}}},
        {HVP_PROTO_ISCSI,
         1,
         "",
         NULL,
         "or neither",
         {{"portal", "p"}, {"target", "t"}, {"user", "u"}}},
        {HVP_PROTO_ISCSI, 1, "", "/s", "or neither", {{"portal", "p"}, {"target", "t"}}},
        {HVP_PROTO_ISCSI,
         1,
         "",
         "s",
         "absolute path",
         {{"portal", "p"}, {"target", "t"}, {"user", "u"}}},
        {HVP_PROTO_RBD, 1, "", NULL, "'pool' and 'image'", {{"pool", "p"}}},
        {HVP_PROTO_RBD,
         1,
         "",
         NULL,
         "absolute path",
         {{"pool", "p"}, {"image", "i"}, {"conf", "c"}}},
        {HVP_PROTO_RBD, 1, "", "/s", "needs 'user'", {{"pool", "p"}, {"image", "i"}}},
        {HVP_PROTO_RBD, 1, "", NULL, "unknown option 'lun'", {{"pool", "p"}, {"lun", "1"}}},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct hvp_error err = {0};
        struct setup s = {0};
        size_t n = 0;

        for (; n < 4 && t[i].options[n].key; n++)
            s.options[n] = t[i].options[n];
        disk(&s, t[i].protocol, n);
        s.d.format = t[i].format;
        s.d.path = t[i].path;
        s.d.secret_file = t[i].secret_file;
        CHECK(disk_check(&s.d, &err) < 0);
        CHECK_CONTAINS(err.msg, t[i].say);
    }
}

/* What QEMU would read, "" when the file is refused. */
static const char *secret(struct setup *s, const void *bytes, size_t n, struct hvp_error *err)
{
    static char got[DISK_SECRET_MAX + 1];
    char path[] = "/tmp/av-secret.XXXXXX";
    int file = mkstemp(path), fd = -1;
    ssize_t len = 0;

    CHECK(file >= 0 && write(file, bytes, n) == (ssize_t)n);
    disk(s, HVP_PROTO_ISCSI, 0)->secret_file = path;
    if (disk_secret_open(&s->d, &fd, err) == 0) {
        CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        CHECK(write(fd, "x", 1) < 0);
        len = pread(fd, got, sizeof(got) - 1, 0);
        close(fd);
    }
    got[len > 0 ? len : 0] = '\0';
    unlink(path);
    close(file);
    return got;
}

TEST(a_secret_loses_its_newline_and_nothing_else)
{
    static char big[DISK_SECRET_MAX + 1];
    struct hvp_error err = {0};
    struct setup s;

    CHECK_STR_EQ(secret(&s, "pass word \n", 11, &err), "pass word ");
    CHECK_STR_EQ(secret(&s, "a\nb\r\n", 5, &err), "a\nb");
    CHECK_STR_EQ(secret(&s, "plain", 5, &err), "plain");
    CHECK_STR_EQ(secret(&s, "\n", 1, &err), "");
    CHECK_CONTAINS(err.msg, "is empty");
    CHECK_STR_EQ(secret(&s, big, sizeof(big), &err), "");
    CHECK_CONTAINS(err.msg, "at most 4096 bytes");
}

TEST(a_secret_that_cannot_be_read_is_named_by_its_file)
{
    struct hvp_error err = {0};
    struct setup s;
    int fd;

    disk(&s, HVP_PROTO_ISCSI, 0)->secret_file = "/nonexistent/secret";
    CHECK_ERR(disk_secret_open(&s.d, &fd, &err), -ENOENT);
    CHECK_CONTAINS(err.msg, "disk 'data': open the secret file '/nonexistent/secret'");
    s.d.secret_file = "/tmp";
    CHECK_ERR(disk_secret_open(&s.d, &fd, &err), -EINVAL);
}
