/* SPDX-License-Identifier: Apache-2.0 */
#include "words.h"
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

/* The last place in text that begins an option about a disk or its credentials. */
static const char *find_option(const char *text)
{
    static const char *const options[] = {": -blockdev {", ": -object {", ": -device {"};
    const char *found = NULL;

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        for (const char *p = strstr(text, options[i]); p; p = strstr(p + 1, options[i]))
            found = p > found ? p : found;
    return found;
}

/* Ids are a letter, a dash and the tag (disk.c). */
static const char *tag_of(struct json_object *o)
{
    static const char *const keys[] = {"node-name", "drive", "id"};
    struct json_object *v;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *id = json_object_object_get_ex(o, keys[i], &v) ? json_object_get_string(v) : "";

        if (id[0] && id[1] == '-' && strchr("nsc", id[0]))
            return id + 2;
    }
    return NULL;
}

bool words_split(const char *log, struct json_object **ret_option, const char **ret_why)
{
    const char *text = find_option(log), *end;
    struct json_tokener *tok;
    struct json_object *o;

    text = text ? strchr(text, '{') : NULL;
    tok = text ? json_tokener_new() : NULL;
    if (!tok)
        return false;
    o = json_tokener_parse_ex(tok, text, (int)strlen(text));
    end = text + json_tokener_get_parse_end(tok);
    json_tokener_free(tok);
    if (!json_object_is_type(o, json_type_object) || strncmp(end, ": ", 2) != 0) {
        json_object_put(o);
        return false;
    }
    *ret_option = o;
    *ret_why = end + 2;
    return true;
}

void words_of_lock(char *text, size_t len)
{
    static const char *const locks[] = {"Failed to get \"", "Failed to get shared \""};
    const char *why = NULL;

    for (size_t i = 0; i < sizeof(locks) / sizeof(locks[0]) && !why; i++)
        why = strstr(text, locks[i]);
    if (!why || !strstr(why, "\" lock"))
        return;
    /* Before it may stand which command QEMU refused. */
    why = strstr(text, "QEMU refused '") ? strstr(text, "QEMU refused '") : why;
    snprintf(text + (why - text), len - (size_t)(why - text),
             "another container, VM or program of this host has it open, and one of the two may "
             "write to it: wait for its end, or let both only read it");
}

bool words_of_disk(const char *log, char *buf, size_t len)
{
    const char *tag, *why;
    struct json_object *o;

    if (!words_split(log, &o, &why))
        return false;
    tag = tag_of(o);
    if (tag) {
        snprintf(buf, len, "disk '%s': %.*s", tag, (int)strcspn(why, "\r\n"), why);
        words_of_lock(buf, len);
    }
    json_object_put(o);
    return tag;
}
