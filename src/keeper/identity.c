#include "identity.h"

#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "text.h"

#define STAT_BYTES 1024
/* From the state, which is field 3 and follows the last parenthesis (proc(5)). */
#define FIELDS_TO_START 19

/* The areas that the kernel shows as cmdline and environ. */
static char *arguments, *variables;
static size_t argument_bytes, variable_bytes;

static uint64_t start_ticks(const char *path)
{
	char stat[STAT_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t length = read(fd, stat, sizeof stat - 1);
	close(fd);
	if (length <= 0)
		return 0;
	stat[length] = '\0';
	const char *at = strrchr(stat, ')');
	if (at == NULL)
		return 0;
	at++;
	for (int field = 0; field < FIELDS_TO_START && at != NULL; field++)
		at = strchr(at + 1, ' ');
	if (at == NULL)
		return 0;
	uint64_t ticks = 0;
	for (at++; *at >= '0' && *at <= '9'; at++)
		ticks = 10 * ticks + (uint64_t)(*at - '0');
	return ticks;
}

struct identity own_identity(void)
{
	return (struct identity){.pid = getpid(), .ticks = start_ticks("/proc/self/stat")};
}

struct identity identity_of(pid_t pid)
{
	struct text path;
	empty(&path);
	add(&path, "/proc/");
	add_number(&path, (uint64_t)pid);
	add(&path, "/stat");
	return (struct identity){.pid = pid, .ticks = start_ticks(ended(&path))};
}

static char *end_of(char **strings)
{
	char *end = strings[0];
	for (; *strings != NULL; strings++)
		end = *strings + strlen(*strings) + 1;
	return end;
}

/* All but the first argument, which names the keeper, and all of the environment is only room. */
void remember_place(char **argv, char **envp)
{
	arguments = argv[0];
	argument_bytes = arguments == NULL ? 0 : (size_t)(end_of(argv) - arguments);
	variables = envp[0];
	variable_bytes = variables == NULL ? 0 : (size_t)(end_of(envp) - variables);
	if (argv[0] != NULL && argv[1] != NULL)
		memset(argv[1], 0, (size_t)(arguments + argument_bytes - argv[1]));
}

/* What does not fit is cut: the last byte stays 0, which the kernel takes for the end. */
static void overwrite(char *area, size_t bytes, const struct text *text)
{
	if (bytes == 0)
		return;
	size_t length = text->length < bytes ? text->length : bytes - 1;
	memset(area, 0, bytes);
	memcpy(area, text->bytes, length);
}

void sign(uint64_t id, const char *token)
{
	struct text name, environment;
	empty(&name);
	empty(&environment);
	add(&name, "holdfast-shim");
	prctl(PR_SET_NAME, ended(&name));
	add_bytes(&name, "", 1);
	add_number(&name, id);
	overwrite(arguments, argument_bytes, &name);
	add(&environment, "HOLDFAST_JOB_ID=");
	add_number(&environment, id);
	add_bytes(&environment, "", 1);
	add(&environment, "HOLDFAST_TOKEN=");
	add(&environment, token);
	overwrite(variables, variable_bytes, &environment);
}
