/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disks.h - what of a bundle becomes disks of the VM: chosen first, without touching anything (so
 * explain can show it), then opened. For creation.c and explain.c; words.c reads the options of a
 * mount of type anyvisor.block and of the rootfs annotation.
 */
#ifndef CLI_DISKS_H
#define CLI_DISKS_H
#include "cli/creation/choice.h"
#include "monitor/ipc.h"
#include "plan/build.h"

#define DISK_MOUNT_TYPE "anyvisor.block" /* source: an image file or a block device */
#define DISK_SCRATCH_TYPE                                                                          \
    "anyvisor.scratch" /* an empty file system of a size, gone with the VM                         \
                        */

#define DISK_NETWORK_TYPE "anyvisor.network" /* source: a URI of storage/uri.h */
#define DISK_CINDER_TYPE "anyvisor.cinder"   /* source: a connection_info, file or JSON */

enum disk_origin {
    DISK_NODE,    /* a block device */
    DISK_IMAGE,   /* an image file */
    DISK_TREE,    /* an image to be made of a directory, or made before */
    DISK_SCRATCH, /* an empty one */
    DISK_NETWORK, /* a volume that the VMM opens on a server */
};

struct disk {
    enum disk_origin origin;
    char *source;  /* on the host: device, image, directory; NULL = scratch */
    char *unmount; /* where the host has the device mounted, and shall no more */
    uint64_t size; /* of a scratch disk */
    char *name;    /* its file until the monitor has it */
    char *fs, *data, *subdir;
    char *secret; /* of a network volume, where it is no file yet; never to be shown */
    struct ipc_disk ipc;
    bool used;            /* by the plan itself; else it is the writable layer of the root */
    struct plan_disk use; /* strings borrowed from here */
};

struct disks {
    struct disk *v;
    size_t n;
    struct plan_disk *uses; /* for plan_input */
    size_t n_uses;
    int *fds; /* for the monitor, in the order of ipc.h; open after disks_open */
    size_t n_fds;
    bool sent;
    bool later;           /* plugged into a VM that was there before: a clone, or one of a pool */
    struct plan_nfs *nfs; /* volumes that the guest mounts; strings are ours */
    size_t n_nfs;
    struct strv nfs_hosts; /* of each, as the URI names it */
    struct strv why;       /* "rootfs: block: ...": what was decided, for explain */
};

/* Look at rootfs, mounts and devices of the bundle and decide. Errors name the mount. */
int disks_choose(const char *id, const struct oci_spec *spec, const struct choice *c,
                 struct disks *ret, struct err *err);
/* Whether a VM of the chosen back-end that has been made without them can take all of them while it
 * runs, and one NIC. Asks the back-end, unless it is known without. */
bool disks_can_wait(const struct cli *cli, struct choice *c, const struct disks *d);
/* Open images and devices, make scratch disks and images: -EINTR once cancel_fd is readable.
 * Secrets that are no files yet become some in dir, until disks_unname. Again: for another VM,
 * after one that had got them is gone. */
int disks_open(struct disks *d, const struct choice *c, const char *dir, int cancel_fd,
               struct err *err);
void disks_close(struct disks *d);  /* the descriptors: the monitor has its own */
void disks_unname(struct disks *d); /* scratch files live on in the VM alone */
void disks_done(struct disks *d);

/* Groups of the guest's modules that its first container's disks need, for choice_boot_files;
 * malloc'ed, NULL = none. */
char *disks_modules(const struct disks *d);

/* A copy of what the monitor is told, for ipc_sandbox and ipc_create; strings stay ours. */
struct ipc_disk *disks_ipc(const struct disks *d);

/* network.c */

/*
 * The volumes of annotations and of the class become mounts at the end of the bundle's; those of a
 * pod's first container, which runs nothing, do not. To be called before disks_choose and the plan.
 */
int disks_add_volumes(struct oci_spec *spec, const struct choice *c, struct err *err);
/* The class's volume that became mounts[index]; NULL = the bundle's own mount. */
const struct config_volume *disks_class_volume(const struct oci_spec *spec, const struct choice *c,
                                               size_t index);

struct disk_words;
/* Make d the volume at the URI; secret is a path of the operator's or NULL. */
int disk_network_fill(struct disk *d, const struct choice *c, const char *uri, struct disk_words *w,
                      const char *secret, struct err *err);
/* Secret, sockets and files of a network disk, in the order of ipc.h; dir as in disks_open. */
int disk_network_open(struct disk *d, const char *dir, int *fds, size_t *n_fds, struct err *err);

/* cinder.c: the granted annotations that ask for volumes. */
int disks_add_wishes(struct oci_spec *spec, const struct choice *c, struct err *err);

/* nfs.c: the addresses of NFS servers. A guest asks no name server. */
int disks_resolve(struct disks *d, struct err *err);
/* "hard,timeo=600" of a mount's options, or NULL; those of every mount (ro) are the plan's. */
int disk_nfs_words(const struct strv *options, char **ret, struct err *err);

/* words.c: what one asks of a disk. */
struct disk_words {
    char *format, *fs, *subdir, *data;
    char *secret;      /* of a network volume: name of a file in storage.secrets_dir */
    char *secret_text; /* instead of one: the secret itself, from a connection_info */
    uint64_t size;
    uint32_t cache; /* HVP_CACHE_* */
    bool readonly, writable, discard;
};
int disk_words_parse(const struct strv *options, struct disk_words *ret, struct err *err);
void disk_words_done(struct disk_words *w);

#endif
