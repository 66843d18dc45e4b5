/* Who a process is: its pid and when it was born. */

#ifndef IDENTITY_H
#define IDENTITY_H

#include <stdint.h>
#include <sys/types.h>

struct identity {
	pid_t pid;
	/* Field 22 of /proc/PID/stat, in ticks since boot; 0 when it cannot be read. */
	uint64_t ticks;
};

/* ns since boot, as clock_gettime(2) has it. */
typedef uint64_t moment;
moment this_moment(void);

/* Of a process that was born after `since` and before now, which says in most cases in which tick. */
struct identity identity_of(pid_t pid, moment since);

/* Finds out, by such a process, whether that can be trusted here; until then nothing is taken on trust. */
void try_clock(pid_t pid, moment since);

/*
 * Writes what a shim is over the arguments and the environment that its keeper was executed with:
 * `holdfast-shim ID` for people, the job's id and token for whoever looks for its processes.
 */
void remember_place(char **argv, char **envp);
void sign(uint64_t id, const char *token);

#endif
