#include "identity.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

#define STAT_BYTES 1024
/* From the state, which is field 3 and follows the last parenthesis (proc(5)). */
#define FIELDS_TO_START 19

/* ns of one tick of field 22: USER_HZ is 100 on all that we build for. */
#define TICK 10000000
/* By how many ns what we read may differ from what the kernel reads. */
#define CLOCK_SKEW 1000

static bool is_clock_tried, is_clock_right;

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

static uint64_t look_up_ticks(pid_t pid)
{
	struct text path;
	empty(&path);
	add(&path, "/proc/");
	add_number(&path, (uint64_t)pid);
	add(&path, "/stat");
	return start_ticks(ended(&path));
}

moment this_moment(void)
{
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (moment)now.tv_sec * 1000000000 + (moment)now.tv_nsec;
}

/* The tick in which it has been all the time since then; 0 when one has ended meanwhile. */
static uint64_t tick_since(moment since)
{
	uint64_t first = (since - CLOCK_SKEW) / TICK, last = (this_moment() + CLOCK_SKEW) / TICK;
	return first == last ? first : 0;
}

struct identity identity_of(pid_t pid, moment since)
{
	uint64_t ticks = is_clock_right ? tick_since(since) : 0;
	return (struct identity){.pid = pid, .ticks = ticks ? ticks : look_up_ticks(pid)};
}

void try_clock(pid_t pid, moment since)
{
	uint64_t ticks = tick_since(since);
	if (is_clock_tried || ticks == 0)
		return;
	uint64_t seen = look_up_ticks(pid);
	is_clock_tried = seen != 0;
	is_clock_right = seen == ticks;
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
