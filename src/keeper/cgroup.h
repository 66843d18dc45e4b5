/* Puts the leader into its cgroup: born there where the kernel can (Linux 5.7), else written there. */

#ifndef CGROUP_H
#define CGROUP_H

#include <sys/types.h>

/*
 * Forks. `cgroup`: its directory, "" for none; one that was removed while it was empty, as systemd does
 * with those of a unit that it stops, is made again, or else done without. Until it has executed a
 * program the child is one that only __WALL and __WCLONE wait for. Below 0 with errno, and in
 * `*is_cgroups` whether the cgroup is the reason.
 */
pid_t fork_into(const char *cgroup, int *is_cgroups);

#endif
