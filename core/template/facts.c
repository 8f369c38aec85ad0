/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/sha256.h"
#include "template/template.h"

#define FILE_PREFIX "file."
#define BOOT "boot"
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

void template_fact(struct kvs *facts, const char *name, const char *value)
{
    kvs_add(facts, name, value ? value : "");
}

/* Also ctime: nobody can set it back. */
static char *identity(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return xasprintf("%s: not there", path);
    return xasprintf("%s: %" PRIu64 ".%" PRIu64 " %" PRId64 " %" PRId64 ".%09ld %" PRId64 ".%09ld",
                     path, (uint64_t)st.st_dev, (uint64_t)st.st_ino, (int64_t)st.st_size,
                     (int64_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (int64_t)st.st_ctim.tv_sec,
                     st.st_ctim.tv_nsec);
}

void template_fact_file(struct kvs *facts, const char *name, const char *path)
{
    cleanup_free char *key = xasprintf(FILE_PREFIX "%s", name);
    cleanup_free char *value = path && *path ? identity(path) : xstrdup("");

    kvs_add(facts, key, value);
}

static char *boot_id(void)
{
    char *text = NULL;

    if (path_read(AT_FDCWD, BOOT_ID, 64, &text, NULL, NULL) < 0)
        return xstrdup("");
    text[strcspn(text, "\n")] = '\0';
    return text;
}

void template_fact_boot(struct kvs *facts)
{
    cleanup_free char *id = boot_id();

    kvs_add(facts, BOOT, id);
}

void template_name(const struct kvs *facts, char ret[TEMPLATE_NAME])
{
    char hex[SHA256_HEX];
    struct sha256 s;

    sha256_init(&s);
    for (size_t i = 0; i < facts->n; i++) {
        sha256_add(&s, facts->v[i].key, strlen(facts->v[i].key) + 1);
        sha256_add(&s, facts->v[i].value, strlen(facts->v[i].value) + 1);
    }
    sha256_hex(&s, hex);
    (void)snprintf(ret, TEMPLATE_NAME, "%.32s", hex);
}

static bool holds(const struct kv *fact)
{
    const char *colon = strchr(fact->value, ':');
    cleanup_free char *now = NULL;

    if (strcmp(fact->key, BOOT) == 0) {
        now = boot_id();
    } else if (str_starts_with(fact->key, FILE_PREFIX) && colon) {
        cleanup_free char *path = xstrndup(fact->value, (size_t)(colon - fact->value));

        now = identity(path);
    }
    return !now || strcmp(now, fact->value) == 0;
}

const char *template_facts_changed(const struct kvs *facts)
{
    for (size_t i = 0; i < facts->n; i++)
        if (!holds(&facts->v[i]))
            return facts->v[i].key;
    return facts->n ? NULL : "facts";
}

bool template_facts_hold(const struct kvs *facts)
{
    return !template_facts_changed(facts);
}

char *template_facts_text(const struct kvs *facts)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    if (!f)
        return xstrdup("");
    for (size_t i = 0; i < facts->n; i++)
        fprintf(f, "%s=%s\n", facts->v[i].key, facts->v[i].value);
    fclose(f);
    return text;
}

void template_facts_parse(char *text, struct kvs *ret)
{
    char *save = NULL;

    kvs_done(ret);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *is = strchr(line, '=');

        if (is) {
            *is = '\0';
            kvs_add(ret, line, is + 1);
        }
    }
}
