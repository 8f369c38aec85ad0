/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - anyvisor.yaml as plain structs, and the descriptors of plugins.d.
 * For policy, monitor and the CLI. Errors read "FILE:LINE:COL: sentence".
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"
#include "config/descriptor.h"
#include "config/match.h"

#define CONFIG_FILE_MAX (4u << 20)    /* bytes of any YAML file */
#define CONFIG_AUTO UINT64_MAX        /* "auto" of a number */
#define CONFIG_UNSET (UINT64_MAX - 1) /* a class does not say: the default counts */

/* A file system of a size; in a class NULL and CONFIG_UNSET: the default's. */
struct config_sized {
    char *kind;
    uint64_t size; /* bytes; CONFIG_AUTO: the code that makes it decides */
};

/* In a class what is not said is empty, NULL or CONFIG_UNSET: the default counts. */
struct config_storage {
    struct strv rootfs, volumes; /* "9pfs", "block", "network", best first */
    struct strv images;          /* fnmatch patterns: files that are disk images when bound */
    struct {
        uint64_t msize;          /* bytes of one message */
        char *cache;             /* "none", "mmap", "loose": of the guest's mount */
        char *security_model;    /* "passthrough", "none", "mapped-xattr"; NULL = the back-end's */
    } share;                     /* key "9pfs" */
    struct config_sized tmp;     /* /tmp, /var/tmp that the bundle leaves alone: "share", "tmpfs" */
    struct config_sized scratch; /* writable layer over a read-only image: "disk", "tmpfs" */
};

/* A network volume that the operator gives to every container of a class. */
struct config_volume {
    char *destination;   /* absolute path in the container */
    char *source;        /* URI: "nbd://HOST/EXPORT", ... */
    char *type;          /* of its file system; NULL = found by what is on it */
    char *secret;        /* absolute path of the file with its password or key; NULL = none */
    struct strv options; /* mount options */
    bool readonly;
};

struct config_vm {
    uint64_t vcpus;            /* CONFIG_AUTO, CONFIG_UNSET or a count */
    uint64_t vcpus_max;        /* that it may grow to; 0 = it does not; CONFIG_UNSET */
    uint64_t memory;           /* bytes; CONFIG_AUTO, CONFIG_UNSET */
    uint64_t memory_max;       /* bytes that it may grow to; 0 = it does not; CONFIG_UNSET */
    uint64_t memory_overhead;  /* bytes; CONFIG_UNSET */
    char *kernel, *image;      /* absolute paths; NULL = that of the guest assets */
    char *kernel_args;         /* appended; NULL = none */
    char *machine, *cpu_model; /* of this hypervisor; NULL = the back-end's choice */
    struct kvs options;        /* for the plug-in, which judges them; a class's come on top */
};

/* VMs that are made before a workload needs one; in a class CONFIG_UNSET: the default's. */
struct config_pool {
    uint64_t size;      /* that wait at most; 0 = no pool */
    uint64_t min_free;  /* with fewer it is filled again; CONFIG_AUTO = size */
    uint64_t max_age_s; /* older ones are taken by nobody */
};

/* Annotations that a workload may set itself, and the bounds of their values. */
struct config_allow {
    char *key;          /* fnmatch pattern of annotation keys */
    uint64_t min, max;  /* of sizes and counts; CONFIG_UNSET = no bound */
    struct strv values; /* patterns of texts; empty = any */
    unsigned line, column;
};

struct config_allow_list {
    struct config_allow *v; /* the first one whose key fits counts */
    size_t n;
    bool given; /* in a class: false means the list of the file */
};

struct config_class {
    char *name;
    const char *file;      /* one of config.files */
    unsigned line, column; /* where its entry begins, for explain */
    struct config_match match;
    struct strv hypervisor; /* empty: the default list */
    struct config_storage storage;
    struct strv attach;  /* key "network.attach"; empty: the default's */
    struct config_vm vm; /* members at CONFIG_UNSET or NULL: the default's */
    char *template;      /* "off", "shared", "tenant"; NULL: the default's */
    struct config_pool pool;
    struct config_volume *volumes;
    size_t n_volumes;
    struct config_allow_list allow;
    bool selectable; /* a workload may ask for it by annotation */
};

struct config {
    char *file;             /* absolute; NULL for built-in defaults */
    char *plugins_dir;      /* absolute */
    struct strv hypervisor; /* defaults.hypervisor */
    struct config_storage storage;
    struct strv attach;  /* how NICs come to interfaces: "redirect", "macvtap", "direct" */
    struct config_vm vm; /* no CONFIG_UNSET here */
    char *template;      /* who shares what VMs are cloned from: "off", "shared", "tenant" */
    struct config_pool pool;
    uint64_t boot_timeout_s;
    struct {
        char *dir;         /* absolute: images made from directories */
        uint64_t max_size; /* bytes; the oldest images go */
    } cache;               /* key "storage.cache" */
    struct {
        char *dir;          /* absolute: saved VMs */
        uint64_t max_age_s; /* then they are made anew */
        uint64_t max_uses;
        uint64_t max_size; /* bytes; the longest unused go */
    } templates;
    char *secrets_dir; /* absolute: relative names of secrets are in it */
    struct config_class *classes;
    size_t n_classes;
    struct config_allow_list allow;
    struct strv files;     /* in the order of reading, as messages name them */
    struct kvs places;     /* of the keys outside of classes: "defaults.hypervisor" -> FILE:L:C */
    struct strv overrides; /* a sentence for each key that two files set */
};

/* The built-in values of every key: what a file of `version: 1` alone means. */
void config_defaults(const char *dir, struct config *ret);

/*
 * The file, then every .yaml of the directory conf.d beside it in the order of their names: a later
 * key replaces an earlier one, mappings are merged. Classes of drop-ins come first, in their order;
 * the file's own are the last. Relative paths are relative to the directory of the main file.
 */
int config_load(const char *path, struct config *ret, struct err *err);
/* The same from text; name stands for the file in messages, dir for its directory. */
int config_parse(const char *text, size_t len, const char *name, const char *dir,
                 struct config *ret, struct err *err);
void config_done(struct config *c);

/*
 * The file to use: `option` (--config) if not NULL, else $ANYVISOR_CONFIG, else
 * "<etc_dir>/anyvisor.yaml". A missing file of the last kind gives the defaults; the others fail.
 */
int config_load_default(const char *option, const char *etc_dir, struct config *ret,
                        struct err *err);

/* Every key that anyvisor.yaml (descriptor: that a plugins.d file) may hold: "defaults.vm.memory",
 * "classes[].match.pod_name", ...; for the test that compares them with the docs. */
void config_keys(struct strv *ret);
void descriptor_keys(struct strv *ret);

#endif
