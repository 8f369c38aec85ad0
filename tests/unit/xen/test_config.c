/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include "xen/config.h"

TEST(the_type_is_pvh_or_pv)
{
    struct hvp_error err = {0};
    struct xen_config c = {0};

    CHECK_STR_EQ(xen_type_name(c.type), "pvh");
    CHECK_OK(xen_config_set(&c, "type", "pv", &err), err);
    CHECK_INT_EQ(c.type, XEN_PV);
    CHECK_OK(xen_config_set(&c, "type", "pvh", &err), err);
    CHECK_INT_EQ(c.type, XEN_PVH);
    CHECK_INT_EQ(xen_config_set(&c, "type", "hvm", &err), -EINVAL);
    CHECK_CONTAINS(err.msg, "'type: hvm' is neither pvh nor pv");
    CHECK_INT_EQ(c.type, XEN_PVH);
}

TEST(an_unknown_key_is_refused_by_name)
{
    struct hvp_error err = {0};
    struct xen_config c = {0};

    CHECK_INT_EQ(xen_config_set(&c, "tpye", "pv", &err), -EINVAL);
    CHECK_CONTAINS(err.msg, "'tpye'");
    CHECK_CONTAINS(xen_config_help, "type  ");
}
