/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/connection.h"
#include <ctype.h>
#include <errno.h>
#include <json-c/json_object.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "oci/reader.h"

#define MONITORS_MAX 16
#define MONITOR_PORT "6789"

struct taker {
    struct reader rd;
    json_object *data;
    char *initiator;
    struct storage_connection *c;
};

typedef void take_fn(struct taker *t);
static take_fn take_rbd, take_iscsi, take_nfs, take_local;

static const struct {
    const char *type;
    take_fn *take;
} types[] = {{"rbd", take_rbd}, {"iscsi", take_iscsi}, {"nfs", take_nfs}, {"local", take_local}};

/* As text of a URI that uri_split decodes to the same; keep: what needs no code at that place. */
static char *encoded(const char *text, const char *keep)
{
    char *out = xcalloc(1, 3 * strlen(text) + 1), *end = out;

    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (isalnum(*c) || strchr("-._~", *c) || strchr(keep, *c))
            *end++ = (char)*c;
        else
            end += snprintf(end, 4, "%%%02X", *c);
    return out;
}

static void add_text(char **to, const char *before, const char *text)
{
    char *longer = xasprintf("%s%s%s", *to ? *to : "", before, text);

    free(*to);
    *to = longer;
}

/* Addresses with colons may come in brackets or without. */
static void add_monitor(char **list, const char *host, const char *port)
{
    bool bare = strchr(host, ':') && *host != '[';
    cleanup_free char *one = xasprintf("%s%s%s:%s", bare ? "[" : "", host, bare ? "]" : "", port);
    cleanup_free char *safe = encoded(one, ":[]");

    add_text(list, *list ? "," : "", safe);
}

static char *monitors(struct taker *t)
{
    cleanup_call(strv_done) struct strv hosts = {0}, ports = {0};
    char *list = NULL;

    rd_strv(&t->rd, t->data, "hosts", &hosts);
    rd_strv(&t->rd, t->data, "ports", &ports);
    if (hosts.n > MONITORS_MAX || (ports.n && ports.n != hosts.n))
        rd_fail(&t->rd, "ports", "expected one for each of 'hosts', at most %d", MONITORS_MAX);
    for (size_t i = 0; i < hosts.n && !t->rd.code; i++)
        add_monitor(&list, hosts.v[i], ports.n ? ports.v[i] : MONITOR_PORT);
    return list;
}

/* The text of a keyring file, or the key alone. */
static char *key_of(const char *keyring)
{
    const char *key = strstr(keyring, "key = ");

    key = key ? key + strlen("key = ") : keyring + strspn(keyring, " \t\n");
    return xstrndup(key, strcspn(key, " \t\r\n"));
}

static void take_rbd(struct taker *t)
{
    cleanup_free char *name = NULL, *user = NULL, *keyring = NULL, *list = monitors(t);
    cleanup_free char *safe_user = NULL, *uuid = NULL;
    bool auth = true;
    char *uri = NULL, *part, *rest;

    rd_need_str(&t->rd, t->data, "name", &name);
    rd_bool(&t->rd, t->data, "auth_enabled", &auth);
    rd_str(&t->rd, t->data, "auth_username", &user);
    rd_str(&t->rd, t->data, "secret_uuid", &uuid);
    rd_str(&t->rd, t->data, "keyring", &keyring);
    if (t->rd.code)
        return;
    for (rest = name; (part = strsep(&rest, "/"));) {
        cleanup_free char *safe = encoded(part, "");

        add_text(&uri, uri ? "/" : "rbd:", safe);
    }
    if (auth && user) {
        safe_user = encoded(user, "");
        add_text(&uri, "?user=", safe_user);
        if (keyring && *keyring)
            t->c->secret = key_of(keyring);
        t->c->secret_name = steal_ptr(&uuid);
    }
    if (list)
        add_text(&uri, auth && user ? "&mon=" : "?mon=", list);
    t->c->uri = uri;
}

/* One path of several: the VMM opens one, and has no multipath. */
static void first_of(struct taker *t, const char *one, const char *many, char **ret)
{
    cleanup_call(strv_done) struct strv list = {0};

    rd_str(&t->rd, t->data, one, ret);
    rd_strv(&t->rd, t->data, many, &list);
    if (!*ret && list.n)
        *ret = xstrdup(list.v[0]);
    if (!*ret)
        rd_fail(&t->rd, one, "missing");
    if (list.n > 1 && strcmp(one, "target_portal") == 0)
        strv_addf(&t->c->ignored, "the other %zu paths of '%s'", list.n - 1, many);
}

static int64_t lun_of(struct taker *t)
{
    int64_t lun = -1;
    uint32_t *list = NULL;
    size_t n = 0;

    rd_i64(&t->rd, t->data, "target_lun", 0, UINT32_MAX, &lun);
    rd_u32_list(&t->rd, t->data, "target_luns", &list, &n);
    if (lun < 0 && n)
        lun = list[0];
    if (lun < 0)
        rd_fail(&t->rd, "target_lun", "missing");
    free(list);
    return lun;
}

static void take_chap(struct taker *t, char **ret_user)
{
    cleanup_free char *method = NULL;

    rd_str(&t->rd, t->data, "auth_method", &method);
    if (!method || strcasecmp(method, "none") == 0 || !*method)
        return;
    if (strcmp(method, "CHAP") != 0)
        rd_fail(&t->rd, "auth_method", "only CHAP is supported");
    rd_need_str(&t->rd, t->data, "auth_username", ret_user);
    rd_str(&t->rd, t->data, "auth_password", &t->c->secret);
}

/* The name that the target has let in: Nova keeps the connector that it has told Cinder of. */
static void take_connector(struct taker *t, json_object *root)
{
    json_object *connector = rd_enter(&t->rd, root, "connector");

    if (!connector)
        return;
    rd_str(&t->rd, connector, "initiator", &t->initiator);
    rd_leave(&t->rd);
}

static void take_iscsi(struct taker *t)
{
    cleanup_free char *portal = NULL, *iqn = NULL, *user = NULL;
    cleanup_free char *safe_iqn = NULL, *safe_user = NULL, *safe_me = NULL;
    int64_t lun;

    first_of(t, "target_portal", "target_portals", &portal);
    first_of(t, "target_iqn", "target_iqns", &iqn);
    lun = lun_of(t);
    take_chap(t, &user);
    if (t->rd.code)
        return;
    portal[strcspn(portal, ",")] = '\0'; /* ",1": the portal group, of a discovery */
    if (strpbrk(portal, "/?#@%")) {
        rd_fail(&t->rd, "target_portal", "that is no ADDRESS:PORT");
        return;
    }
    safe_iqn = encoded(iqn, ":");
    safe_user = encoded(user ? user : "", "");
    safe_me = encoded(t->initiator ? t->initiator : "", ":");
    t->c->uri = xasprintf("iscsi://%s%s%s/%s/%lld%s%s", safe_user, user ? "@" : "", portal,
                          safe_iqn, (long long)lun, t->initiator ? "?initiator=" : "", safe_me);
}

/* A volume is one file of the export, where those of other tenants lie, too. */
static void take_nfs(struct taker *t)
{
    cleanup_free char *format = NULL;
    struct storage_connection *c = t->c;

    rd_need_str(&t->rd, t->data, "export", &c->nfs_export);
    rd_need_str(&t->rd, t->data, "name", &c->path);
    rd_str(&t->rd, t->data, "format", &format);
    if (t->rd.code)
        return;
    if (!strstr(c->nfs_export, ":/"))
        rd_fail(&t->rd, "export", "expected HOST:/PATH");
    else if (!*c->path || *c->path == '.' || strchr(c->path, '/'))
        rd_fail(&t->rd, "name", "expected the name of a file, without a directory");
    else if (format && strcmp(format, "raw") != 0 && strcmp(format, "qcow2") != 0)
        rd_fail(&t->rd, "format", "expected raw or qcow2");
    c->format = format && *format == 'q' ? "qcow2" : "raw";
}

static void take_local(struct taker *t)
{
    rd_need_str(&t->rd, t->data, "device_path", &t->c->path);
    if (!t->rd.code && (*t->c->path != '/' || strstr(t->c->path, "/../")))
        rd_fail(&t->rd, "device_path", "expected a plain absolute path");
}

static void take_common(struct taker *t)
{
    cleanup_free char *mode = NULL;
    bool encrypted = false;
    json_object *qos;

    rd_str(&t->rd, t->data, "access_mode", &mode);
    rd_bool(&t->rd, t->data, "discard", &t->c->discard);
    rd_bool(&t->rd, t->data, "encrypted", &encrypted);
    if (encrypted)
        rd_fail(&t->rd, "encrypted", "an encrypted volume cannot be opened: its key is Barbican's");
    if (mode && strcmp(mode, "ro") != 0 && strcmp(mode, "rw") != 0)
        rd_fail(&t->rd, "access_mode", "expected ro or rw");
    t->c->readonly = mode && strcmp(mode, "ro") == 0;
    if (json_object_object_get_ex(t->data, "qos_specs", &qos) && qos)
        strv_add(&t->c->ignored, "the limits of 'qos_specs'");
}

static void take(struct taker *t, json_object *root)
{
    struct storage_connection *c = t->c;
    json_object *data = NULL;
    size_t i = 0;

    rd_need_str(&t->rd, root, "driver_volume_type", &c->type);
    if (t->rd.code)
        return;
    while (i < ARRAY_SIZE(types) && strcmp(types[i].type, c->type) != 0)
        i++;
    if (i == ARRAY_SIZE(types)) {
        rd_fail(&t->rd, "driver_volume_type",
                "only rbd, iscsi, nfs and local can be opened; attach others to the host with "
                "os-brick and name the device (local)");
        return;
    }
    take_connector(t, root);
    data = rd_enter(&t->rd, root, "data");
    t->data = data ? data : root;
    types[i].take(t);
    take_common(t);
    if (data)
        rd_leave(&t->rd);
}

static void put(json_object **o)
{
    json_object_put(*o);
}

int storage_connection_parse(const char *text, const char *file, const char *initiator,
                             struct storage_connection *ret, struct err *err)
{
    cleanup_call(put) json_object *root = NULL;
    struct storage_connection c = {0};
    struct taker t = {.rd = {.file = file, .err = err}, .c = &c};
    size_t len = strlen(text);
    int r;

    if (len > STORAGE_CONNECTION_MAX)
        return err_set_phase(err, PHASE_CONFIG, EFBIG, "%s: larger than %d bytes", file,
                             STORAGE_CONNECTION_MAX);
    if ((r = reader_parse(text, len, file, &root, err)) < 0)
        return r;
    t.initiator = xstrdup(initiator);
    take(&t, root);
    free(t.initiator);
    if (t.rd.code)
        storage_connection_done(&c);
    else
        *ret = c;
    return t.rd.code;
}

void storage_connection_done(struct storage_connection *c)
{
    free(c->type);
    free(c->uri);
    free(c->path);
    free(c->nfs_export);
    str_forget(c->secret);
    free(c->secret_name);
    strv_done(&c->ignored);
    *c = (struct storage_connection){0};
}

int storage_wish_parse(const char *text, const char *name, struct storage_wish *ret,
                       struct err *err)
{
    cleanup_call(put) json_object *root = NULL;
    struct reader rd = {.file = name, .err = err};
    struct storage_wish w = {0};
    json_object *info = NULL;
    int r = reader_parse(text, strlen(text), name, &root, err);

    if (r < 0)
        return r;
    rd_need_str(&rd, root, "destination", &w.destination);
    rd_strv(&rd, root, "options", &w.options);
    info = rd_enter(&rd, root, "connection_info");
    if (!info)
        rd_fail(&rd, "connection_info", "missing");
    else
        w.connection = xstrdup(json_object_to_json_string_ext(info, JSON_C_TO_STRING_PLAIN));
    if (rd.code)
        storage_wish_done(&w);
    else
        *ret = w;
    return rd.code;
}

void storage_wish_done(struct storage_wish *w)
{
    free(w->destination);
    free(w->connection);
    strv_done(&w->options);
    *w = (struct storage_wish){0};
}
