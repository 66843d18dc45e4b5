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

struct identity own_identity(void);
struct identity identity_of(pid_t pid);

/*
 * Writes what a shim is over the arguments and the environment that its keeper was executed with:
 * `holdfast-shim ID` for people, the job's id and token for whoever looks for its processes.
 */
void remember_place(char **argv, char **envp);
void sign(uint64_t id, const char *token);

#endif
