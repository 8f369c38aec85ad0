/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check/nova_conf.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"

#define SPACE " \t\r"
#define RESERVED_MAX (1u << 30) /* MiB */

/* The options that count; the values as written. */
enum key { RESERVED, DRIVER, SHARED, DEDICATED, VIRT_TYPE, URI, N_KEYS };
static const struct {
    const char *section, *name;
} keys[N_KEYS] = {
    [RESERVED] = {"DEFAULT", "reserved_host_memory_mb"},
    [DRIVER] = {"DEFAULT", "compute_driver"},
    [SHARED] = {"compute", "cpu_shared_set"},
    [DEDICATED] = {"compute", "cpu_dedicated_set"},
    [VIRT_TYPE] = {"libvirt", "virt_type"},
    [URI] = {"libvirt", "connection_uri"},
};

struct value {
    char *text;
    const char *file;
    unsigned line;
};

struct reading {
    struct value values[N_KEYS];
    char *section;
    struct value *last; /* continued by a line that begins with a space; NULL = none that counts */
    const char *file;
    unsigned line;
    struct err *err;
};

static int bad(const struct reading *r, const char *why)
{
    return err_set_phase(r->err, PHASE_CONFIG, EINVAL, "%s:%u: %s", r->file, r->line, why);
}

static char *trimmed(const char *text, size_t n)
{
    while (n && strchr(SPACE, text[n - 1]))
        n--;
    while (n && strchr(SPACE, *text)) {
        text++;
        n--;
    }
    if (n >= 2 && (*text == '"' || *text == '\'') && text[n - 1] == *text)
        return xstrndup(text + 1, n - 2);
    return xstrndup(text, n);
}

static int take_section(struct reading *r, const char *line, size_t n)
{
    const char *end = memchr(line, ']', n);

    if (!end)
        return bad(r, "the name of a section lacks its ']'");
    free(r->section);
    r->section = xstrndup(line + 1, (size_t)(end - line) - 1);
    r->last = NULL;
    return 0;
}

static int take_pair(struct reading *r, const char *line, size_t n)
{
    size_t equals = 0;
    cleanup_free char *name = NULL;

    while (equals < n && line[equals] != '=' && line[equals] != ':')
        equals++;
    if (equals == n)
        return bad(r, "expected 'name = value'");
    name = trimmed(line, equals);
    r->last = NULL;
    for (size_t i = 0; i < N_KEYS; i++) {
        struct value *v = &r->values[i];

        if (strcmp(keys[i].name, name) != 0 || strcmp(keys[i].section, r->section) != 0)
            continue;
        free(v->text);
        *v = (struct value){trimmed(line + equals + 1, n - equals - 1), r->file, r->line};
        r->last = v;
    }
    return 0;
}

static void take_more(struct reading *r, const char *line, size_t n)
{
    cleanup_free char *more = trimmed(line, n);
    char *longer;

    if (!r->last)
        return;
    longer = xasprintf("%s%s", r->last->text, more);
    free(r->last->text);
    r->last->text = longer;
}

static int read_lines(struct reading *r, const char *text)
{
    int ret = 0;

    for (r->line = 1; *text && ret == 0; r->line++) {
        size_t n = strcspn(text, "\n"), blank = strspn(text, SPACE);

        if (blank >= n)
            r->last = NULL;
        else if (*text == '[')
            ret = take_section(r, text, n);
        else if (!strchr("#;", text[blank])) {
            if (blank)
                take_more(r, text, n);
            else
                ret = take_pair(r, text, n);
        }
        text += n;
        text += *text == '\n';
    }
    return ret;
}

/* "4", "4-7", "^5"; false: neither. */
static bool take_cpus(const char *word, cpu_set_t *set, cpu_set_t *without)
{
    bool not = *word == '^';
    const char *first = word + not ;
    const char *dash = strchr(first, '-');
    cleanup_free char *low = trimmed(first, dash ? (size_t)(dash - first) : strlen(first));
    cleanup_free char *high = dash ? trimmed(dash + 1, strlen(dash + 1)) : xstrdup(low);
    uint64_t a, b;

    if (str_to_u64(low, 0, CPU_SETSIZE - 1, &a) < 0 || str_to_u64(high, a, CPU_SETSIZE - 1, &b) < 0)
        return false;
    for (uint64_t i = a; i <= b; i++)
        CPU_SET(i, not ? without : set);
    return true;
}

static int parse_cpus(const struct value *v, enum key key, bool *ret_given, cpu_set_t *ret,
                      struct err *err)
{
    cpu_set_t set, without;

    CPU_ZERO(&set);
    CPU_ZERO(&without);
    *ret = set;
    if (!v->text || !*v->text)
        return 0;
    for (const char *p = v->text; p; p = strchr(p, ',')) {
        cleanup_free char *word = NULL;

        p += *p == ',';
        word = trimmed(p, strcspn(p, ","));
        if (*word && !take_cpus(word, &set, &without))
            return err_set_phase(err, PHASE_CONFIG, EINVAL,
                                 "%s:%u: %s: '%.40s' is not like 4, 4-7 or ^5", v->file, v->line,
                                 keys[key].name, word);
    }
    for (size_t i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &set) && !CPU_ISSET(i, &without))
            CPU_SET(i, ret);
    *ret_given = true;
    return 0;
}

/* As nova's libvirt driver does when nobody says one. */
static char *uri_of(const struct value *values)
{
    const char *type = values[VIRT_TYPE].text, *driver = values[DRIVER].text;
    const char *uri = values[URI].text;

    if (driver && *driver && !str_starts_with(driver, "libvirt."))
        return NULL;
    if (uri && *uri)
        return xstrdup(uri);
    if (type && strcmp(type, "lxc") == 0)
        return xstrdup("lxc:///");
    return xstrdup(type && strcmp(type, "parallels") == 0 ? "parallels:///system"
                                                          : "qemu:///system");
}

static int fill(const struct reading *r, struct nova_conf *c)
{
    const struct value *mib = &r->values[RESERVED];
    int ret;

    c->reserved_mib = NOVA_RESERVED_DEFAULT;
    if (mib->text && str_to_u64(mib->text, 0, RESERVED_MAX, &c->reserved_mib) < 0)
        return err_set_phase(r->err, PHASE_CONFIG, EINVAL,
                             "%s:%u: %s: '%.40s' is not a number of MiB", mib->file, mib->line,
                             keys[RESERVED].name, mib->text);
    if ((ret = parse_cpus(&r->values[SHARED], SHARED, &c->has_shared, &c->shared, r->err)) < 0 ||
        (ret = parse_cpus(&r->values[DEDICATED], DEDICATED, &c->has_dedicated, &c->dedicated,
                          r->err)) < 0)
        return ret;
    c->uri = uri_of(r->values);
    return 0;
}

int nova_conf_parse(const char *const *texts, const char *const *files, size_t n,
                    struct nova_conf *ret, struct err *err)
{
    struct reading r = {.err = err};
    struct nova_conf c = {0};
    int e = 0;

    for (size_t i = 0; i < n && e == 0; i++) {
        free(r.section);
        r.section = xstrdup("DEFAULT");
        r.last = NULL;
        r.file = files[i];
        e = read_lines(&r, texts[i]);
    }
    if (e == 0 && (e = fill(&r, &c)) == 0)
        *ret = c;
    free(r.section);
    for (size_t i = 0; i < N_KEYS; i++)
        free(r.values[i].text);
    return e;
}

void nova_conf_done(struct nova_conf *c)
{
    free(c->uri);
    *c = (struct nova_conf){0};
}

/* "qemu:///system" of any way to say that it is this host's, at the place where libvirt listens. */
static char *daemon_of(const char *uri)
{
    static const char *const usual[] = {"libvirt-sock", "virtqemud-sock", "virtxend-sock"};
    const char *rest = strstr(uri, "://"), *socket = strstr(uri, "socket=");
    size_t driver = strcspn(uri, "+:"), n;

    if (!rest || (uri[driver] == '+' && !str_starts_with(uri + driver, "+unix:")))
        return xstrdup(uri);
    n = strcspn(rest, "?");
    if (socket) {
        const char *name = socket + strlen("socket=");
        size_t len = strcspn(name, "&");
        cleanup_free char *path = xstrndup(name, len);

        for (size_t i = 0; i < ARRAY_SIZE(usual); i++) {
            cleanup_free char *place = xasprintf("/run/libvirt/%s", usual[i]);

            if (strcmp(path + (str_starts_with(path, "/var/") ? 4 : 0), place) == 0)
                return xasprintf("%.*s%.*s", (int)driver, uri, (int)n, rest);
        }
        return xasprintf("%.*s%.*s at %s", (int)driver, uri, (int)n, rest, path);
    }
    return xasprintf("%.*s%.*s", (int)driver, uri, (int)n, rest);
}

bool nova_same_libvirt(const char *a, const char *b)
{
    cleanup_free char *one = daemon_of(a), *two = daemon_of(b);

    return strcmp(one, two) == 0;
}

char *nova_cpus_text(const cpu_set_t *set)
{
    char *text = xstrdup("");

    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        cleanup_free char *old = NULL;
        size_t end = i;

        if (!CPU_ISSET(i, set))
            continue;
        while (end + 1 < CPU_SETSIZE && CPU_ISSET(end + 1, set))
            end++;
        old = text;
        text = end > i ? xasprintf("%s%s%zu-%zu", old, *old ? "," : "", i, end)
                       : xasprintf("%s%s%zu", old, *old ? "," : "", i);
        i = end;
    }
    return text;
}
