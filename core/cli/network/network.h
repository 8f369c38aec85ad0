/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network.h - the sandbox's network namespace becomes the guest's network.
 * For creation.c (the NICs that the VM is made with), start.c and the verb `network` (what they
 * carry), clean.c (nothing of it stays).
 */
#ifndef CLI_NETWORK_H
#define CLI_NETWORK_H
#include "cli/cli.h"
#include "oci/oci.h"

/* NICs of a new VM, on taps in the namespace of a process. */
struct network_nics {
    struct ipc_nic *v;
    size_t n;
    int *fds;
    size_t n_fds;
};

/* What the policy says of NICs, and how many there may be at once. */
struct network_wish {
    const struct strv *attach; /* words of net_way_names, best first */
    unsigned vcpus, max;
    const char *owner; /* a word that no other VM has */
};
void network_wish_of(const struct state *s, struct network_wish *ret);

/* Refuses the host's own namespace: a VM cannot be in it. */
int network_check(const struct oci_spec *spec, struct err *err);

/* It comes with the container, and ends with it unless somebody holds it. */
bool network_is_own(const struct oci_spec *spec);
/* And so do the VM's taps, which are none of the host's. */
bool network_taps_end(const struct oci_spec *spec, const struct strv *attach);

#define NETWORK_COLD_NICS_MAX 8 /* more are plugged when they carry something */

/*
 * One for each interface that is there already, and a spare one where there is none, if that could
 * carry what comes: engines may fill the namespace later. Without taps on this host there are none,
 * which is said when something is to be carried.
 */
int network_prepare(pid_t pid, const struct network_wish *wish, struct network_nics *ret,
                    struct err *err);
/* A spare one in a namespace of nobody's, which is gone with it. */
int network_prepare_alone(unsigned vcpus, struct network_nics *ret, struct err *err);
void network_nics_sent(struct network_nics *n); /* the descriptors are the monitor's */
void network_nics_done(struct network_nics *n);

/* The VM is made with the NICs that were asked for. Where its VMM has made interfaces for them
 * (body: struct ipc_hostifs), as only a back-end that does so (hostifs) may say, they come to the
 * namespace of the process in place of the taps. */
int network_adopt(pid_t pid, const struct network_nics *asked, bool hostifs,
                  const struct ipc_reply *reply, struct err *err);

/* Give the guest what is in the namespace now. Warns of what it cannot get. */
int network_carry(const struct cli *cli, const struct container *c, struct err *err);

/* forward.c: what an engine connects to on the loopback of a pod's namespace shall reach the guest.
 * Where the kernel cannot, the pod is as good without. */
void network_forward(const struct cli *cli, const struct container *c);

/* resolver.c: the name server that only processes of the namespace reach shall serve the guest.
 * What does not work is warned of. */
void network_resolver(const struct cli *cli, const struct container *c,
                      const struct oci_spec *spec);

/* Give the interfaces back to a namespace that outlives the container. */
void network_release(const struct container *c);

#endif
