/*
 * A start message, as src/host/shim_start.ts makes it: a header, then limits, groups, the CPU set and
 * strings, each ended by a NUL. It is checked whole before anything of it is used.
 */

#ifndef START_H
#define START_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define START_MAGIC 0x31534648 /* "HFS1" */

/* A message that is longer comes as a sealed memfd, which is no longer than this. */
#define MESSAGE_BYTES (64 * 1024)
#define LARGE_BYTES (16 * 1024 * 1024)
/* More than any kernel executes a program with. */
#define MAX_STRINGS (1024 * 1024)
#define MAX_LIMITS 16
#define MAX_GROUPS 65536
#define MAX_CPU_BYTES 1024
#define MAX_TOKEN 64

enum start_flags {
	HAS_CREDENTIALS = 1,
	HAS_NICE = 2,
	HAS_OOM_SCORE = 4,
};

struct start_header {
	uint32_t magic;
	uint32_t flags;
	uint64_t id;
	uint64_t attempt;
	/* How many there are of each, or how many bytes. */
	uint32_t limits, groups, cpu_bytes, arguments, variables, string_bytes;
	int32_t nice, oom_score;
	uint32_t umask, uid, gid, reserved;
};

struct limit {
	uint64_t soft, hard;
	uint32_t resource, reserved;
};

struct start {
	const struct start_header *header;
	const struct limit *limits;
	const uint32_t *groups;
	const unsigned char *cpus;
	/* Of the claim: its name in the run directory. No cgroup: "". */
	const char *token, *claim, *directory, *cgroup;
	/* There is room for one word before the first. */
	char **argv;
	char **envp;
};

/* 0, or the error that says what is wrong with it. Its bytes must stay for as long as `start`. */
int read_start(struct start *start, const char *message, size_t length);

#endif
