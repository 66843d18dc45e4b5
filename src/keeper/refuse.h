/*
 * Why nothing was executed: what was being done, the error, and the path or value that it was done
 * with. The leader sends it to its shim, which writes it down and tells it.
 */

#ifndef REFUSE_H
#define REFUSE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdnoreturn.h>

#include "text.h"

/* In the order of src/host/start_refusal.ts, which has the words. */
enum stage {
	NO_STAGE = -1,
	STAGE_MESSAGE,
	STAGE_FORK,
	STAGE_CGROUP,
	STAGE_SESSION,
	STAGE_OUTPUT,
	STAGE_CPUS,
	STAGE_NICE,
	STAGE_LIMIT,
	STAGE_OOM_SCORE,
	STAGE_USER,
	STAGE_DIRECTORY,
	STAGE_COMMAND,
	/* The command is there; what is to run it is not, or cannot be executed. */
	STAGE_INTERPRETER,
	/* The command is on a file system that is mounted noexec. */
	STAGE_NOEXEC,
	/* It was killed before it could execute anything: by the signal that `about` says, if one did. */
	STAGE_KILLED,
};

struct refusal {
	int stage, error;
	/* A path or value; after a NUL another that it leads to, if any. */
	struct text about;
};

/* In the leader: where its shim is told. */
void open_refusals(int shim);

/* `leads_to` may be NULL. */
noreturn void refuse(enum stage stage, int error, const char *about, const char *leads_to);
noreturn void refuse_number(enum stage stage, int error, int64_t about);

/* In the shim: waits for one; false when the leader has closed its end, by execve or by its end. */
bool await_refusal(int leader, struct refusal *refusal);

#endif
