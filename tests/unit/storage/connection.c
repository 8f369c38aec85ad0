/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "storage/connection.h"
#include "storage/disk.h"
#include "storage/uri.h"

#define DIR_NAME TEST_DATA_DIR "/cinder"
#define ME "iqn.me"

/* Parse the sample of that name. */
static void parse_sample(const char *name, struct storage_connection *ret)
{
    cleanup_free char *path = xasprintf(DIR_NAME "/%s.json", name), *text = NULL;
    struct err err = ERR_INIT;

    CHECK_OK(path_read(AT_FDCWD, path, STORAGE_CONNECTION_MAX, &text, NULL, &err), err);
    CHECK_OK(storage_connection_parse(text, name, ME, ret, &err), err);
}

static char *told(const struct storage_connection *c)
{
    char *text =
        xasprintf("%s%s%s%s%s%s%s%s%s%s%s", c->uri ? c->uri : "", c->path ? c->path : "",
                  c->nfs_export ? " of " : "", c->nfs_export ? c->nfs_export : "",
                  c->format ? " F:" : "", c->format ? c->format : "", c->secret ? " S:" : "",
                  c->secret ? c->secret : "", c->secret_name ? " N:" : "",
                  c->secret_name ? c->secret_name : "", c->readonly ? " ro" : "");

    for (size_t i = 0; i < c->ignored.n; i++) {
        char *longer = xasprintf("%s, not %s", text, c->ignored.v[i]);

        free(text);
        text = longer;
    }
    return text;
}

TEST(what_each_driver_of_cinder_writes_is_taken_apart)
{
    static const struct {
        const char *name, *want;
    } t[] = {
        {"rbd", "rbd:volumes/volume-6a1b0f2e-61f6-4f4c-8b3a-0f6f9c1c2d11?user=cinder&mon="
                "10.0.0.11:6789,10.0.0.12:6789,[fd00::13]:3300 "
                "N:457eb676-33da-42ec-9a8c-9293d545c337"},
        {"rbd-keyring", "rbd:volumes/volume-1?user=cinder&mon=10.0.0.11:6789 "
                        "S:c2VjcmV0LXMzY3JldA=="},
        {"iscsi", "iscsi://gyWnYfE6jcvWPvyPMXrp@10.0.0.5:3260/iqn.2010-10.org.openstack:volume-"
                  "9d2f4a5c-0b6e-4f29-8d8e-2f1f4cf0a3d7/1?initiator=iqn.me S:s3cretSlpvu9ZPHdqF"},
        {"iscsi-multipath", "iscsi://[fd00::5]:3260/iqn.2010-10.org.openstack:v2/3?initiator="
                            "iqn.1993-08.org.debian:01:7a1 ro, not the other 1 paths of "
                            "'target_portals', not the limits of 'qos_specs'"},
        {"iscsi-attachment", "iscsi://iqn.1993-08.org.debian%3A01%3A7a1@10.0.0.5:3260/iqn.2010-10."
                             "org.openstack:v3/1?initiator=iqn.me S:s3cretSlpvu9ZPHdqF"},
        {"nfs", "volume-4 of 10.0.0.9:/srv/cinder F:qcow2"},
        {"local", "/dev/drbd1005"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct storage_connection c = {0};
        cleanup_free char *got = NULL;

        parse_sample(t[i].name, &c);
        got = told(&c);
        CHECK_STR_EQ(got, t[i].want);
        storage_connection_done(&c);
    }
}

TEST(their_uris_are_volumes)
{
    static const struct {
        const char *name, *user, *mon, *shown;
    } t[] = {
        {"rbd", "cinder", "10.0.0.11:6789,10.0.0.12:6789,[fd00::13]:3300",
         "rbd:volumes/volume-6a1b0f2e-61f6-4f4c-8b3a-0f6f9c1c2d11"},
        {"iscsi-multipath", NULL, NULL, "iscsi://[fd00::5]:3260/iqn.2010-10.org.openstack:v2/3"},
        {"iscsi-attachment", "iqn.1993-08.org.debian:01:7a1", NULL,
         "iscsi://10.0.0.5:3260/iqn.2010-10.org.openstack:v3/1"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct storage_connection c = {0};
        struct storage_uri u = {0};
        struct err err = ERR_INIT;

        parse_sample(t[i].name, &c);
        CHECK_OK(storage_uri_parse(c.uri, &u, &err), err);
        CHECK_STR_EQ(kvs_get(&u.options, "user"), t[i].user);
        CHECK_STR_EQ(kvs_get(&u.options, "mon"), t[i].mon);
        CHECK_STR_EQ(u.shown, t[i].shown);
        CHECK_INT_EQ(u.needs_secret, t[i].user != NULL);
        storage_uri_done(&u);
        storage_connection_done(&c);
    }
}

TEST(what_is_wrong_with_a_connection_info_is_said_without_its_values)
{
    static const struct {
        const char *text, *say;
    } t[] = {
        {"{", "x:1:2: unexpected end"},
        {"[]", "x: expected an object"},
        {"{}", "x: driver_volume_type: missing"},
        {"{\"driver_volume_type\":\"s3cret\"}", "only rbd, iscsi, nfs and local"},
        {"{\"driver_volume_type\":\"rbd\",\"data\":\"s3cret\"}", "data: expected an object"},
        {"{\"driver_volume_type\":\"rbd\",\"data\":{}}", "data.name: missing"},
        {"{\"driver_volume_type\":\"rbd\",\"name\":\"p/i\",\"hosts\":[\"a\"],\"ports\":[]}", NULL},
        {"{\"driver_volume_type\":\"rbd\",\"name\":\"p/i\",\"hosts\":[\"a\"],"
         "\"ports\":[\"1\",\"2\"]}",
         "ports: expected one for each"},
        {"{\"driver_volume_type\":\"iscsi\",\"data\":{\"target_iqn\":\"iqn.x\"}}",
         "data.target_portal: missing"},
        {"{\"driver_volume_type\":\"iscsi\",\"data\":{\"target_iqn\":\"iqn.x\","
         "\"target_portal\":\"a\"}}",
         "data.target_lun: missing"},
        {"{\"driver_volume_type\":\"iscsi\",\"data\":{\"target_iqn\":\"iqn.x\","
         "\"target_portal\":\"u@s3cret\",\"target_lun\":1}}",
         "data.target_portal: that is no"},
        {"{\"driver_volume_type\":\"iscsi\",\"data\":{\"target_iqn\":\"iqn.x\",\"target_portal\":"
         "\"a\",\"target_lun\":1,\"auth_method\":\"s3cret\"}}",
         "data.auth_method: only CHAP"},
        {"{\"driver_volume_type\":\"iscsi\",\"data\":{\"target_iqn\":\"iqn.x\",\"target_portal\":"
         "\"a\",\"target_lun\":1,\"auth_method\":\"CHAP\",\"auth_password\":\"s3cret\"}}",
         "data.auth_username: missing"},
        {"{\"driver_volume_type\":\"nfs\",\"data\":{\"export\":\"h\",\"name\":\"v\"}}",
         "data.export: expected HOST:/PATH"},
        {"{\"driver_volume_type\":\"nfs\",\"data\":{\"export\":\"h:/x\",\"name\":\"../v\"}}",
         "data.name: expected the name"},
        {"{\"driver_volume_type\":\"nfs\",\"data\":{\"export\":\"h:/x\",\"name\":\"v\","
         "\"format\":\"vmdk\"}}",
         "data.format: expected raw or qcow2"},
        {"{\"driver_volume_type\":\"local\",\"data\":{\"device_path\":\"sda\"}}",
         "data.device_path: expected a plain"},
        {"{\"driver_volume_type\":\"local\",\"data\":{\"device_path\":\"/dev/x\","
         "\"encrypted\":true}}",
         "data.encrypted: an encrypted volume"},
        {"{\"driver_volume_type\":\"local\",\"data\":{\"device_path\":\"/dev/x\","
         "\"access_mode\":\"s3cret\"}}",
         "data.access_mode: expected ro or rw"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct storage_connection c = {0};
        struct err err = ERR_INIT;
        int r = storage_connection_parse(t[i].text, "x", NULL, &c, &err);

        if (!t[i].say) {
            CHECK_OK(r, err);
            CHECK_STR_EQ(c.uri, "rbd:p/i?mon=a:6789");
            storage_connection_done(&c);
            continue;
        }
        CHECK_INT_EQ(r, -EINVAL);
        CHECK_CONTAINS(err.msg, t[i].say);
        CHECK(!strstr(err.msg, "s3cret"));
        CHECK_INT_EQ(err.phase, PHASE_CONFIG);
    }
}

TEST(names_cannot_carry_a_second_option)
{
    static const char text[] = "{\"driver_volume_type\":\"rbd\",\"data\":{\"name\":\"p/i?conf=x\","
                               "\"auth_username\":\"u&conf=/x#\",\"secret_uuid\":\"s\"}}";
    struct storage_connection c = {0};
    struct storage_uri u = {0};
    struct err err = ERR_INIT;

    CHECK_OK(storage_connection_parse(text, "x", NULL, &c, &err), err);
    CHECK_OK(storage_uri_parse(c.uri, &u, &err), err);
    CHECK(u.conf == NULL);
    CHECK_STR_EQ(kvs_get(&u.options, "image"), "i?conf=x");
    CHECK_STR_EQ(kvs_get(&u.options, "user"), "u&conf=/x#");
    storage_uri_done(&u);
    storage_connection_done(&c);
}

TEST(an_annotation_names_place_options_and_volume)
{
    struct storage_wish w = {0};
    struct err err = ERR_INIT;

    CHECK_OK(storage_wish_parse("{\"destination\":\"/data\",\"options\":[\"noatime\"],"
                                "\"connection_info\":{\"driver_volume_type\":\"rbd\"}}",
                                "a", &w, &err),
             err);
    CHECK_STR_EQ(w.destination, "/data");
    CHECK_STR_EQ(w.options.v[0], "noatime");
    CHECK_STR_EQ(w.connection, "{\"driver_volume_type\":\"rbd\"}");
    storage_wish_done(&w);
    CHECK_INT_EQ(storage_wish_parse("{\"destination\":\"/data\"}", "a", &w, &err), -EINVAL);
    CHECK_CONTAINS(err.msg, "a: connection_info: missing");
    CHECK_INT_EQ(storage_wish_parse("{\"connection_info\":{}}", "a", &w, &err), -EINVAL);
    CHECK_CONTAINS(err.msg, "a: destination: missing");
}

TEST(an_export_is_found_among_the_mounts)
{
    static const char info[] = "30 1 0:40 / /mnt/a rw - nfs4 h:/a rw,vers=4.2\n"
                               "31 1 0:41 /sub /mnt/part rw - nfs4 h:/b rw\n"
                               "32 1 0:42 / /mnt/two\\040words rw - nfs h:/b rw\n"
                               "33 1 0:43 / /mnt/c rw - ext4 h:/c rw\n";
    static const struct {
        const char *source, *want;
    } t[] = {{"h:/a", "/mnt/a"}, {"h:/b", "/mnt/two words"}, {"h:/c", NULL}, {"h:/", NULL}};

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        cleanup_free char *got = storage_mount_find(info, t[i].source, "nfs");

        CHECK_STR_EQ(got, t[i].want);
    }
}
