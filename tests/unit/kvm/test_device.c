/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include "kvm/device.h"

static struct hvp_disk file_disk(void)
{
    return (struct hvp_disk){
        .d = {.struct_size = sizeof(struct hvp_disk), .kind = HVP_DEV_DISK, .tag = "data"},
        .protocol = HVP_PROTO_FILE,
        .format = HVP_FORMAT_QCOW2,
        .path = "/img \"x\""};
}

static const char *text(struct json_object *o)
{
    static char copy[1024];

    snprintf(copy, sizeof(copy), "%s", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
    json_object_put(o);
    return copy;
}

TEST(tags_that_could_become_syntax_are_refused)
{
    static const char *const bad[] = {"",        "a,b", "a b", "a\"b", "123456789012345678901",
                                      "\xc3\xa4"};
    struct hvp_disk d = file_disk();

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct hvp_error err = {0};

        d.d.tag = bad[i];
        CHECK_ERR(device_check(&d.d, &err), -EINVAL);
    }
    d.d.tag = "12345678901234567890";
    CHECK_INT_EQ(device_check(&d.d, &(struct hvp_error){0}), 0);
}

TEST(a_device_smaller_than_its_kind_is_refused)
{
    struct hvp_disk d = file_disk();
    struct hvp_error err = {0};

    d.d.struct_size--;
    CHECK_ERR(device_check(&d.d, &err), -EINVAL);
    d = file_disk();
    d.d.kind = 99;
    CHECK_ERR(device_check(&d.d, &err), -ENOTSUP);
}

TEST(shares_other_than_9p_and_unknown_models_are_refused)
{
    struct hvp_kv model = {"security_model", "mapped-xattr"};
    struct hvp_share s = {.d = {.struct_size = sizeof(s), .kind = HVP_DEV_SHARE, .tag = "s"},
                          .dir = "/d",
                          .fs = HVP_FS_9P,
                          .options = &model,
                          .n_options = 1};
    struct hvp_error err = {0};

    CHECK_OK(device_check(&s.d, &err), err);
    model.value = "mapped,path=/";
    CHECK_ERR(device_check(&s.d, &err), -EINVAL);
    s.n_options = 0;
    s.fs = HVP_FS_VIRTIOFS;
    CHECK_ERR(device_check(&s.d, &err), -ENOTSUP);
}

TEST(the_disk_carries_its_tag_as_serial_number)
{
    const struct device_place at = {.bus = "port1", .slot = 0};
    struct hvp_disk d = file_disk();
    const char *got = text(device_disk(&d, machine_find("x86_64", ""), &at));

    CHECK_CONTAINS(got, "\"driver\":\"virtio-blk-pci\"");
    CHECK_CONTAINS(got, "\"serial\":\"data\"");
    CHECK_CONTAINS(got, "\"werror\":\"report\",\"rerror\":\"report\"");
    CHECK_CONTAINS(got, "\"bus\":\"port1\",\"addr\":\"0x0\"");
}
