/* SPDX-License-Identifier: Apache-2.0 */
#include "blame.h"
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include "kvm/words.h"

#define DISK "<disk "
#define SERIAL "<serial>"

/* A value of an attribute, or a part of one between slashes. */
static bool has_value(const char *from, const char *end, const char *value)
{
    size_t n = strlen(value);

    for (const char *p = strstr(from, value); n > 0 && p && p + n < end; p = strstr(p + 1, value))
        if (strchr("'/", p[-1]) && strchr("'/", p[n]))
            return true;
    return false;
}

/* Whether all that tells one disk from others is in this one's XML; *count is how much that was. */
static bool all_there(struct json_object *option, const char *from, const char *end,
                      unsigned *count)
{
    static const char *const keys[] = {"path",   "filename", "target", "host",
                                       "export", "pool",     "image"};
    struct json_object *v, *lun;
    char unit[400];

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (!json_object_object_get_ex(option, keys[i], &v))
            continue;
        if (!has_value(from, end, json_object_get_string(v)))
            return false;
        ++*count;
    }
    if (json_object_object_get_ex(option, "server", &v) &&
        json_object_is_type(v, json_type_object) && !all_there(v, from, end, count))
        return false;
    if (!json_object_object_get_ex(option, "target", &v) ||
        !json_object_object_get_ex(option, "lun", &lun))
        return true;
    snprintf(unit, sizeof(unit), "%.300s/%.20s", json_object_get_string(v),
             json_object_get_string(lun));
    return has_value(from, end, unit);
}

static bool find(struct json_object *option, const char *xml, const char **ret_tag)
{
    const char *end;

    for (const char *p = strstr(xml, DISK); p; p = strstr(end, DISK)) {
        unsigned count = 0;

        end = strstr(p, "</disk>");
        if (!end)
            return false;
        if (!all_there(option, p, end, &count) || count == 0)
            continue;
        p = strstr(p, SERIAL);
        if (!p || p > end)
            return false;
        *ret_tag = p + strlen(SERIAL);
        return true;
    }
    return false;
}

bool blame_disk(const char *said, const char *xml, char *buf, size_t len)
{
    struct json_object *option;
    const char *why, *tag;
    bool found;

    if (!words_split(said, &option, &why))
        return false;
    found = find(option, xml, &tag);
    if (found)
        snprintf(buf, len, "disk '%.*s': %.*s", (int)strcspn(tag, "<"), tag,
                 (int)strcspn(why, "\r\n"), why);
    json_object_put(option);
    return found;
}
