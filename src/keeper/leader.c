#include "leader.h"

#include "patience.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "execute.h"
#include "files.h"
#include "refuse.h"
#include "signals.h"
#include "status.h"

#define OOM_SCORE "/proc/self/oom_score_adj"

static bool has_oom_score;

void read_own_oom_score(void)
{
	char first = '0';
	int fd = open(OOM_SCORE, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	has_oom_score = read(fd, &first, 1) == 1 && first != '0';
	close(fd);
}

static void await_word(int shim)
{
	char word;
	ssize_t length;
	while ((length = read(shim, &word, 1)) < 0 && errno == EINTR)
		;
	if (length != 1)
		_exit(NOT_STARTED);
}

/* What the leader is about, for whoever asks why a job does not start. */
static void name_step(const char *step)
{
	prctl(PR_SET_NAME, step);
}

/* The lowest number that is free is the one that a file is opened as. */
static void take_log(const char *name, int as)
{
	close(as);
	if (open_log(name) < 0)
		_exit(RUN_GONE);
}

static void take_streams(void)
{
	close(STDIN_FILENO);
	if (open("/dev/null", O_RDONLY) < 0)
		refuse(STAGE_OUTPUT, errno, "/dev/null", NULL);
	take_log("stdout.log", STDOUT_FILENO);
	take_log("stderr.log", STDERR_FILENO);
}

static void take_cpus(const struct start *start)
{
	uint32_t bytes = start->header->cpu_bytes;
	if (bytes == 0 || syscall(SYS_sched_setaffinity, 0, bytes, start->cpus) == 0)
		return;
	int error = errno;
	struct text list;
	empty(&list);
	for (uint32_t cpu = 0; cpu < 8 * bytes; cpu++) {
		if (!(start->cpus[cpu / 8] & 1 << cpu % 8))
			continue;
		if (list.length > 0)
			add(&list, ",");
		add_number(&list, cpu);
	}
	refuse(STAGE_CPUS, error, ended(&list), NULL);
}

static void take_nice(const struct start_header *header)
{
	if (!(header->flags & HAS_NICE) || setpriority(PRIO_PROCESS, 0, header->nice) == 0)
		return;
	refuse_number(STAGE_NICE, errno, header->nice);
}

static void take_limits(const struct start *start)
{
	for (uint32_t i = 0; i < start->header->limits; i++) {
		const struct limit *limit = &start->limits[i];
		if (syscall(SYS_prlimit64, 0, limit->resource, &limit->soft, NULL) == 0)
			continue;
		int error = errno;
		struct text about;
		empty(&about);
		add_number(&about, limit->resource);
		add(&about, " ");
		add_number(&about, limit->hard);
		refuse(STAGE_LIMIT, error, ended(&about), NULL);
	}
}

static int write_oom_score(const struct text *score)
{
	int fd = open(OOM_SCORE, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	int error = write(fd, score->bytes, score->length) < 0 ? errno : 0;
	close(fd);
	return error;
}

static void take_oom_score(const struct start_header *header)
{
	bool is_asked = header->flags & HAS_OOM_SCORE;
	if (!is_asked && !has_oom_score)
		return;
	struct text score;
	empty(&score);
	add_signed(&score, is_asked ? header->oom_score : 0);
	int error = write_oom_score(&score);
	if (is_asked && error != 0)
		refuse(STAGE_OOM_SCORE, error, ended(&score), NULL);
}

static bool has_groups(const struct start *start)
{
	static gid_t groups[MAX_GROUPS];
	uint32_t count = start->header->groups;
	if (getgroups(MAX_GROUPS, groups) != (int)count)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = 0;
		while (at < count && groups[at] != start->groups[i])
			at++;
		if (at == count)
			return false;
	}
	return true;
}

static bool has_ids(const struct start_header *header)
{
	uid_t real, effective, saved;
	gid_t real_group, effective_group, saved_group;
	return getresuid(&real, &effective, &saved) == 0 && real == header->uid &&
	       effective == header->uid && saved == header->uid &&
	       getresgid(&real_group, &effective_group, &saved_group) == 0 &&
	       real_group == header->gid && effective_group == header->gid &&
	       saved_group == header->gid;
}

static void become_user(const struct start *start)
{
	const struct start_header *header = start->header;
	if (!(header->flags & HAS_CREDENTIALS))
		return;
	if (syscall(SYS_setgroups, header->groups, start->groups) < 0 ||
	    syscall(SYS_setresgid, header->gid, header->gid, header->gid) < 0 ||
	    syscall(SYS_setresuid, header->uid, header->uid, header->uid) < 0)
		refuse_number(STAGE_USER, errno, header->uid);
	if (!has_groups(start) || !has_ids(header))
		refuse_number(STAGE_USER, EPERM, header->uid);
}

static void take_signals(void)
{
	signal(SIGUSR1, SIG_DFL);
	signal(SIGALRM, SIG_DFL);
	unblock_signals();
}

noreturn void lead(const struct start *start, int shim)
{
	await_word(shim);
	open_refusals(shim);
	if (setsid() < 0)
		refuse(STAGE_SESSION, errno, "", NULL);
	take_streams();
	hurry_again();
	take_cpus(start);
	take_nice(start->header);
	take_limits(start);
	umask(start->header->umask);
	take_oom_score(start->header);
	become_user(start);
	name_step("hf:directory");
	if (chdir(start->directory) < 0)
		refuse(STAGE_DIRECTORY, errno, start->directory, NULL);
	name_step("hf:command");
	take_signals();
	execute(start->argv, start->envp);
}
