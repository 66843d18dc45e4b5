#include "start.h"

#include <errno.h>
#include <string.h>

/* token, claim, directory, cgroup */
#define OWN_STRINGS 4
/* What a number of JavaScript counts exactly. */
#define MAX_ID ((uint64_t)1 << 53)

/* Room for a word before the arguments, and for the ends of both lists. */
static char *pointers[MAX_STRINGS + 3];

static bool is_token(const char *token)
{
	size_t length = strlen(token);
	for (size_t at = 0; at < length; at++)
		if (token[at] <= ' ' || token[at] > '~' || token[at] == '/')
			return false;
	return length > 0 && length <= MAX_TOKEN;
}

static bool is_claim(const char *name)
{
	return strncmp(name, "claim", 5) == 0 && strlen(name) < 64 && strchr(name, '/') == NULL;
}

static bool is_possible(const struct start_header *header)
{
	return header->magic == START_MAGIC && header->id > 0 && header->id <= MAX_ID &&
	       header->limits <= MAX_LIMITS && header->groups <= MAX_GROUPS &&
	       header->cpu_bytes <= MAX_CPU_BYTES && header->arguments > 0 &&
	       (header->umask & ~0777u) == 0;
}

/* The string at `*at`, and goes on to the next; NULL when there is none before `end`. */
static char *next_string(char **at, const char *end)
{
	char *string = *at;
	char *stop = string < end ? memchr(string, '\0', (size_t)(end - string)) : NULL;
	if (stop == NULL)
		return NULL;
	*at = stop + 1;
	return string;
}

static bool read_strings(struct start *start, char *at, const char *end)
{
	const struct start_header *header = start->header;
	const char **own[OWN_STRINGS] = {&start->token, &start->claim, &start->directory,
	                                 &start->cgroup};
	for (int i = 0; i < OWN_STRINGS; i++)
		if ((*own[i] = next_string(&at, end)) == NULL)
			return false;
	start->argv = pointers + 1;
	for (uint32_t i = 0; i < header->arguments; i++)
		if ((start->argv[i] = next_string(&at, end)) == NULL)
			return false;
	start->argv[header->arguments] = NULL;
	start->envp = start->argv + header->arguments + 1;
	for (uint32_t i = 0; i < header->variables; i++)
		if ((start->envp[i] = next_string(&at, end)) == NULL)
			return false;
	start->envp[header->variables] = NULL;
	return at == end && is_token(start->token) && is_claim(start->claim) &&
	       start->directory[0] != '\0';
}

int read_start(struct start *start, const char *message, size_t length)
{
	if (length < sizeof *start->header)
		return EBADMSG;
	const struct start_header *header = start->header = (const void *)message;
	if (!is_possible(header))
		return EBADMSG;
	if ((uint64_t)header->arguments + header->variables > MAX_STRINGS)
		return E2BIG;
	uint64_t limits = sizeof *header;
	uint64_t groups = limits + header->limits * sizeof(struct limit);
	uint64_t cpus = groups + header->groups * sizeof(uint32_t);
	uint64_t strings = cpus + header->cpu_bytes;
	if (strings + header->string_bytes != length)
		return EBADMSG;
	start->limits = (const void *)(message + limits);
	start->groups = (const void *)(message + groups);
	start->cpus = (const void *)(message + cpus);
	/* execve(2) takes strings that could be written, and writes none. */
	return read_strings(start, (char *)message + strings, message + length) ? 0 : EBADMSG;
}
