/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include "kvm/libvirt/xml.h"

TEST(elements_nest_and_empty_ones_are_closed_at_once)
{
    struct xml x = {0};

    xml_open(&x, "a");
    xml_attrf(&x, "n", "%d", 7);
    xml_empty(&x, "b", "k", "v", "l", "w", NULL);
    xml_leaf(&x, "c", "text");
    xml_close(&x);
    CHECK_STR_EQ(x.text, "<a n='7'><b k='v' l='w'/><c>text</c></a>");
    CHECK_INT_EQ(xml_failed(&x), 0);
    xml_done(&x);
}

TEST(values_cannot_end_their_attribute_or_element)
{
    struct xml x = {0};

    xml_open(&x, "a");
    xml_attr(&x, "k", "'/><b x=\"");
    xml_text(&x, "</a>&lt;");
    xml_close(&x);
    CHECK_STR_EQ(x.text, "<a k='&apos;/&gt;&lt;b x=&quot;'>&lt;/a&gt;&amp;lt;</a>");
    xml_done(&x);
}

TEST(what_xml_cannot_hold_is_an_error)
{
    struct xml x = {0};

    xml_leaf(&x, "a", "one\ntwo");
    CHECK_INT_EQ(xml_failed(&x), EINVAL);
    xml_done(&x);
}

TEST(a_long_text_grows_the_buffer)
{
    char text[9000];
    struct xml x = {0};

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    xml_leaf(&x, "a", text);
    CHECK_INT_EQ(xml_failed(&x), 0);
    CHECK_INT_EQ(x.len, sizeof(text) - 1 + strlen("<a></a>"));
    xml_done(&x);
}
