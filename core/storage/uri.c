/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/uri.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "storage/uri_parts.h"

#define HOST_MAX 253
#define NAME_MAX_ 255
#define LUN_MAX 16383
#define TIMEOUT_MAX 86400

struct parser {
    struct uri_text text;
    struct uri_parts parts;
    struct storage_uri *u;
};

#define bad(p, ...) uri_bad(&(p)->text, __VA_ARGS__)

typedef int take_fn(struct parser *p);
static take_fn take_nbd, take_unix, take_iscsi, take_rbd, take_nfs;

static const struct {
    const char *name;
    enum storage_protocol protocol;
    take_fn *take;
    const char *keys[URI_KEYS_MAX]; /* of the query */
} schemes[] = {
    {"nbd:", STORAGE_NBD, take_nbd, {"format", "timeout"}},
    {"nbds:", STORAGE_NBD, take_nbd, {"format", "timeout", "tls-hostname"}},
    {"nbd+unix:", STORAGE_NBD, take_unix, {"format", "timeout", "socket"}},
    {"iscsi:", STORAGE_ISCSI, take_iscsi, {"format", "timeout", "initiator"}},
    {"rbd:", STORAGE_RBD, take_rbd, {"format", "user", "conf", "mon"}},
    {"nfs:", STORAGE_NFS, take_nfs, {NULL}},
};

static int scheme_of(const char *text)
{
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
        if (str_starts_with(text, schemes[i].name))
            return (int)i;
    return -1;
}

bool storage_is_uri(const char *text)
{
    return scheme_of(text) >= 0;
}

/* Names and numbers: what resolver, VMM and kernel take as an address, and nothing that they could
 * take as something else. */
static int check_host(struct parser *p)
{
    const char *host = p->parts.host, *port = p->parts.port;
    uint64_t n;

    if (!host || !*host)
        return bad(p, "the server's name is missing");
    if (strlen(host) > HOST_MAX || *host == '-')
        return bad(p, "that is no server's name");
    for (const char *c = host; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-._:", *c))
            return bad(p, "a server's name has no '%c' in it", *c);
    if (port && str_to_u64(port, 1, 65535, &n) < 0)
        return bad(p, "the port is not a number from 1 to 65535");
    return 0;
}

/* "HOST:PORT", an address with colons in brackets. */
static char *portal(const struct parser *p)
{
    const char *host = p->parts.host, *port = p->parts.port;
    bool v6 = strchr(host, ':');

    return xasprintf("%s%s%s%s%s", v6 ? "[" : "", host, v6 ? "]" : "", port ? ":" : "",
                     port ? port : "");
}

static int no_user(struct parser *p)
{
    return p->parts.user ? bad(p, "%s has no users", p->text.scheme) : 0;
}

static int absolute(struct parser *p, const char *key, char **ret)
{
    const char *path = kvs_get(&p->parts.query, key);

    if (path &&
        (*path != '/' || strstr(path, "/../") || str_ends_with(path, "/..") || strstr(path, "//")))
        return bad(p, "'%s' is not a plain absolute path", key);
    *ret = xstrdup(path);
    return 0;
}

static void add_export(struct parser *p)
{
    const char *path = p->parts.path;

    if (*path == '/' && path[1])
        kvs_add(&p->u->options, "export", path + 1);
}

static int take_nbd(struct parser *p)
{
    const char *name = kvs_get(&p->parts.query, "tls-hostname");
    int r = check_host(p);

    p->u->tls = p->u->needs_secret = strcmp(p->text.scheme, "nbds:") == 0;
    if (r < 0 || (!p->u->tls && (r = no_user(p)) < 0))
        return r;
    kvs_add(&p->u->options, "host", p->parts.host);
    if (p->parts.port)
        kvs_add(&p->u->options, "port", p->parts.port);
    add_export(p);
    if (!p->u->tls)
        return 0;
    kvs_add(&p->u->options, "tls_kind", p->parts.user ? "psk" : "x509");
    if (p->parts.user)
        kvs_add(&p->u->options, "tls_user", p->parts.user);
    else /* QEMU would compare the certificate with what it connects to: that may be an address */
        kvs_add(&p->u->options, "tls_hostname", name ? name : p->parts.host);
    return 0;
}

static int take_unix(struct parser *p)
{
    int r;

    if ((p->parts.host && *p->parts.host) || p->parts.user || p->parts.port)
        return bad(p, "a unix socket has no server's name: write nbd+unix:///EXPORT?socket=PATH");
    if ((r = absolute(p, "socket", &p->u->socket)) < 0)
        return r;
    if (!p->u->socket || str_ends_with(p->u->socket, "/"))
        return bad(p, "it needs the socket's path: nbd+unix:///EXPORT?socket=PATH");
    if (strrchr(p->u->socket, '/') == p->u->socket)
        return bad(p, "the socket is in the root directory; give it a directory of its own");
    add_export(p);
    free(p->u->shown);
    p->u->shown = xasprintf("nbd+unix://%s?socket=%s", p->parts.path, p->u->socket);
    p->text.shown = p->u->shown; /* what is refused from here on is refused under this name */
    return 0;
}

static int check_target(struct parser *p, const char *name)
{
    static const char *const kinds[] = {"iqn.", "eui.", "naa."};
    bool known = false;

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        known = known || str_starts_with(name, kinds[i]);
    if (!known || strlen(name) > 223)
        return bad(p, "'%.60s' is not a name like iqn.2001-04.com.example:disk", name);
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-.:_", *c))
            return bad(p, "an iSCSI name has no '%c' in it", *c);
    return 0;
}

static int take_iscsi(struct parser *p)
{
    const char *path = p->parts.path, *initiator = kvs_get(&p->parts.query, "initiator");
    const char *slash = *path == '/' ? strrchr(path + 1, '/') : NULL;
    cleanup_free char *where = NULL, *target = NULL;
    uint64_t lun;
    int r = check_host(p);

    if (r < 0)
        return r;
    if (!slash || str_to_u64(slash + 1, 0, LUN_MAX, &lun) < 0)
        return bad(p, "it needs target and unit: iscsi://HOST/TARGET/LUN with LUN 0 to %d",
                   LUN_MAX);
    target = xstrndup(path + 1, (size_t)(slash - path) - 1);
    if ((r = check_target(p, target)) < 0 || (initiator && (r = check_target(p, initiator)) < 0))
        return r;
    where = portal(p);
    kvs_add(&p->u->options, "portal", where);
    kvs_add(&p->u->options, "target", target);
    kvs_add(&p->u->options, "lun", slash + 1);
    if (p->parts.user)
        kvs_add(&p->u->options, "user", p->parts.user);
    if (initiator)
        kvs_add(&p->u->options, "initiator", initiator);
    p->u->needs_secret = p->parts.user != NULL;
    return 0;
}

/* "HOST:PORT,[V6]:PORT": the characters of check_host, and a port behind each. */
static int take_monitors(struct parser *p, const char *list)
{
    for (const char *rest = list; rest; rest = strchr(rest, ',')) {
        cleanup_free char *one = NULL;
        const char *colon;
        uint64_t port;

        rest += *rest == ',';
        one = xstrndup(rest, strcspn(rest, ","));
        colon = strrchr(one, ':');
        if (!colon || colon == one || *one == '-' || str_to_u64(colon + 1, 1, 65535, &port) < 0 ||
            one[strspn(one,
                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]")])
            return bad(p, "mon is HOST:PORT, or several with commas between them");
    }
    kvs_add(&p->u->options, "mon", list);
    return 0;
}

/* '@' begins a snapshot and ':' QEMU's own options, in other programs' way to write this. */
static int take_rbd(struct parser *p)
{
    static const char *const with_namespace[] = {"pool", "namespace", "image"};
    static const char *const without[] = {"pool", "image"};
    const char *path = p->parts.path, *user = kvs_get(&p->parts.query, "user");
    const char *mon = kvs_get(&p->parts.query, "mon");
    size_t n = 1;
    int r;

    for (const char *c = path; *c; c++)
        n += *c == '/';
    if (p->parts.has_authority || n < 2 || n > 3 || strpbrk(path, "@:"))
        return bad(p, "it needs pool and image: rbd:POOL/IMAGE or rbd:POOL/NAMESPACE/IMAGE");
    for (size_t i = 0; i < n; i++) {
        size_t len = strcspn(path, "/");
        cleanup_free char *name = xstrndup(path, len);

        if (len == 0 || len > NAME_MAX_)
            return bad(p, "pool and image have names of 1 to %d bytes", NAME_MAX_);
        kvs_add(&p->u->options, n == 3 ? with_namespace[i] : without[i], name);
        path += len;
        path += *path == '/';
    }
    if (user)
        kvs_add(&p->u->options, "user", user);
    if (mon && (r = take_monitors(p, mon)) < 0)
        return r;
    p->u->needs_secret = user != NULL;
    return absolute(p, "conf", &p->u->conf);
}

static int take_nfs(struct parser *p)
{
    int r = check_host(p);

    if (r < 0 || (r = no_user(p)) < 0)
        return r;
    if (*p->parts.path != '/')
        return bad(p, "it needs the exported directory: nfs://HOST/PATH");
    p->u->server = xstrdup(p->parts.host);
    p->u->path = xstrdup(p->parts.path);
    if (p->parts.port)
        kvs_add(&p->u->options, "port", p->parts.port);
    return 0;
}

static int take_common(struct parser *p)
{
    const char *timeout = kvs_get(&p->parts.query, "timeout");
    const char *format = kvs_get(&p->parts.query, "format");
    uint64_t n;

    if (timeout && str_to_u64(timeout, 0, TIMEOUT_MAX, &n) < 0)
        return bad(p, "timeout is 0 to %d seconds, not '%.20s'", TIMEOUT_MAX, timeout);
    if (timeout)
        kvs_add(&p->u->options, "timeout", timeout);
    if (format && strcmp(format, "raw") != 0 && strcmp(format, "qcow2") != 0)
        return bad(p, "format is raw or qcow2, not '%.20s'", format);
    p->u->format = xstrdup(format);
    return 0;
}

int storage_uri_parse(const char *text, struct storage_uri *ret, struct err *err)
{
    struct storage_uri u = {0};
    struct parser p = {.u = &u};
    int i = scheme_of(text), r;

    if (i < 0)
        return err_set_phase(err, PHASE_CONFIG, EINVAL,
                             "a volume is nbd:, nbds:, nbd+unix:, iscsi:, rbd: or nfs:");
    if (strlen(text) > STORAGE_URI_MAX)
        return err_set_phase(err, PHASE_CONFIG, EINVAL, "a volume's URI has at most %d bytes",
                             STORAGE_URI_MAX);
    u.protocol = schemes[i].protocol;
    u.shown = uri_shown(text);
    p.text = (struct uri_text){schemes[i].name, text, u.shown, schemes[i].keys, err};
    r = uri_split(&p.text, &p.parts);
    if (r == 0)
        r = schemes[i].take(&p);
    if (r == 0)
        r = take_common(&p);
    uri_parts_done(&p.parts);
    if (r < 0)
        storage_uri_done(&u);
    else
        *ret = u;
    return r;
}

void storage_uri_done(struct storage_uri *u)
{
    kvs_done(&u->options);
    free(u->socket);
    free(u->conf);
    free(u->format);
    free(u->server);
    free(u->path);
    free(u->shown);
    *u = (struct storage_uri){0};
}
