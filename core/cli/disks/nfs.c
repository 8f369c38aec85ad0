/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NFS volumes: the guest's kernel mounts them, over the network of its container, when that starts.
 * The host checks what is asked for and finds the server's address.
 */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "base/cleanup.h"
#include "cli/disks/choice.h"
#include "oci/tables.h"
#include "storage/uri.h"

#define NUMBER_MAX 1000000

/* What of nfs(5) a bundle may ask for. Transport, port and security are not among them: NFS 4 over
 * TCP, the URI's port, and the user ids that the container says it has. */
static const char *const flags[] = {"hard", "soft", "softerr", "ac", "noac", "cto", "nocto"};
static const char *const numbers[] = {"timeo",    "retrans",  "rsize",    "wsize",   "actimeo",
                                      "acregmin", "acregmax", "acdirmin", "acdirmax"};
static const struct {
    const char *key, *values[4];
} words[] = {{"vers", {"4.1", "4.2"}}, {"lookupcache", {"all", "none", "pos", "positive"}}};

static bool is_flag(const char *option)
{
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        if (strcmp(flags[i], option) == 0)
            return true;
    return false;
}

static const char *value_of(const char *option, const char *key)
{
    size_t n = strlen(key);

    return strncmp(option, key, n) == 0 && option[n] == '=' ? option + n + 1 : NULL;
}

static bool is_number(const char *option)
{
    uint64_t n;

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        const char *value = value_of(option, numbers[i]);

        if (value)
            return str_to_u64(value, 0, NUMBER_MAX, &n) == 0;
    }
    return false;
}

static bool is_word(const char *option)
{
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        const char *value = value_of(option, words[i].key);

        for (size_t k = 0; value && k < ARRAY_SIZE(words[i].values); k++)
            if (words[i].values[k] && strcmp(words[i].values[k], value) == 0)
                return true;
    }
    return false;
}

static void append(char **data, const char *option)
{
    char *longer = *data ? xasprintf("%s,%s", *data, option) : xstrdup(option);

    free(*data);
    *data = longer;
}

int disk_nfs_words(const struct strv *options, char **ret, struct err *err)
{
    cleanup_free char *data = NULL;

    for (size_t i = 0; i < options->n; i++) {
        const char *o = options->v[i];

        if (!*o || oci_mount_option_find(o))
            continue;
        if (!is_flag(o) && !is_number(o) && !is_word(o))
            return err_set_phase(err, PHASE_CONFIG, EINVAL,
                                 "option '%s' is not one that NFS volumes have here: hard, soft, "
                                 "softerr, vers=4.1 or 4.2, timeo=, retrans=, rsize=, wsize=, ac, "
                                 "noac, actimeo=, acregmin= and so on, cto, nocto, lookupcache=",
                                 o);
        append(&data, o);
    }
    *ret = steal_ptr(&data);
    return 0;
}

/* Takes data. */
static void add(struct disks *d, size_t index, const struct storage_uri *u, char **data)
{
    const char *port = kvs_get(&u->options, "port");
    cleanup_free char *at = port ? xasprintf("port=%s", port) : NULL;
    bool v6 = strchr(u->server, ':');
    struct plan_nfs *n;

    if (at)
        append(data, at);
    d->nfs = xreallocarray(d->nfs, d->n_nfs + 1, sizeof(*d->nfs));
    n = &d->nfs[d->n_nfs++];
    *n = (struct plan_nfs){
        .index = index,
        .source = xasprintf("%s%s%s:%s", v6 ? "[" : "", u->server, v6 ? "]" : "", u->path),
        .data = steal_ptr(data),
    };
    strv_add(&d->nfs_hosts, u->server);
}

static bool may_have_nics(const struct choice *c)
{
    const struct hvp_caps *caps = disk_known_caps(c);

    return !caps || plugin_nics(caps);
}

int disk_choose_nfs(struct chooser *k, size_t i)
{
    const struct oci_mount *m = &k->spec->mounts[i];
    const struct config_volume *v = disks_class_volume(k->spec, k->c, i);
    cleanup_free char *place = xasprintf("mounts[%zu] '%s'", i, m->destination);
    cleanup_call(storage_choice_done) struct storage_choice choice = {0};
    cleanup_call(storage_uri_done) struct storage_uri u = {0};
    cleanup_call(strv_done) struct strv network = {0};
    cleanup_free char *data = NULL;
    struct storage_facts f = {.uri = m->source, .files = true, .nics = may_have_nics(k->c)};
    int r = storage_uri_parse(m->source, &u, k->err);

    if (r < 0)
        return r;
    strv_add(&network, "network");
    if ((r = storage_decide(v ? &network : k->c->decision.storage.volumes, &f, &choice, k->err)) <
            0 ||
        (r = disk_nfs_words(&m->options, &data, k->err)) < 0)
        return err_wrap(k->err, "volume '%s'", u.shown);
    add(k->d, i, &u, &data);
    disk_note(k, v ? "volume of the class" : place, &choice);
    return 0;
}

/* "addr=192.0.2.5" */
static int resolve(const char *host, char **ret, struct err *err)
{
    char text[NI_MAXHOST];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int r = getaddrinfo(host, NULL, &hints, &found);

    if (r == 0)
        r = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), NULL, 0,
                        NI_NUMERICHOST);
    if (found)
        freeaddrinfo(found);
    if (r == 0)
        *ret = xasprintf("addr=%s", text);
    if (r == 0)
        return 0;
    return err_set_phase(err, PHASE_STORAGE, EHOSTUNREACH,
                         "the host does not know the address of '%s': %s", host, gai_strerror(r));
}

int disks_resolve(struct disks *d, struct err *err)
{
    for (size_t i = 0; i < d->n_nfs; i++) {
        struct plan_nfs *n = &d->nfs[i];
        cleanup_free char *address = NULL;
        int r = resolve(d->nfs_hosts.v[i], &address, err);

        if (r < 0)
            return err_wrap(err, "NFS volume '%s'", n->source);
        append(&n->data, address);
    }
    return 0;
}
