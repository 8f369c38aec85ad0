/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include "cli/network/network.h"

static bool ends(const char *path, const char *attach)
{
    struct oci_spec spec = {0};
    struct strv ways = {0};
    bool r;

    spec.linux_.ns[OCI_NS_NETWORK] = (struct oci_namespace){.listed = true, .path = (char *)path};
    strv_add(&ways, attach);
    r = network_taps_end(&spec, &ways);
    strv_done(&ways);
    return r;
}

/* Those that do not would stay on the host for ever. */
TEST(taps_end_with_a_namespace_only_where_both_are_the_containers)
{
    CHECK(ends(NULL, "redirect"));
    CHECK(ends(NULL, "macvtap"));
    CHECK(!ends(NULL, "bridge:br0"));
    CHECK(!ends(NULL, "bridge:br0 port-of-neutron"));
    CHECK(!ends("/run/netns/x", "redirect"));
}
