/*
 * Executes a supervisor and sends SIGKILL to it, or to what comes of it, at the entry of a system
 * call, which is not made then.
 *
 *   tracer LOG WHO[:CALL:NTH:TIMES]... -- COMMAND...
 *
 * WHO is `supervisor` (its first thread), `keeper` (from its birth as a child of the supervisor on),
 * `shim`, `leader` (until it has executed the job's command) or `family` (a shim and all that comes of
 * it). With a call, which is a number as in unistd.h, each such process ends where it makes that call
 * for the NTH time, but no more than TIMES of them; without one they are only watched. In LOG there is
 *
 *   call PID CALL [creates]                    each call that was watched
 *   kill ROLE PID CALL:NTH after CALL:TIMES... each kill, and what that process had called before
 *
 * The supervisor has the pid that was started, and the tracer is no child of it.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS 1024
#define MAX_POINTS 8
#define KEEPER_PROGRAM "/memfd:holdfast-keeper"

/* struct ptrace_syscall_info of ptrace(2), Linux 5.3, as far as an entry needs it. */
#define GET_SYSCALL_INFO 0x420e
#define AT_ENTRY 1
struct call_info {
	uint8_t op, padding[3];
	uint32_t arch;
	uint64_t instruction, stack, call, arguments[6];
};

enum role { UNBORN = 0, SUPERVISOR = 1, KEEPER = 2, SHIM = 4, LEADER = 8, MEMBER = 16 };

static const struct {
	const char *name;
	unsigned roles;
} who[] = {
	{"supervisor", SUPERVISOR}, {"keeper", KEEPER}, {"shim", SHIM}, {"leader", LEADER},
	{"family", SHIM | LEADER | MEMBER},
};

struct point {
	unsigned roles;
	bool kills;
	unsigned long call;
	unsigned nth, times;
};

struct process {
	struct process *next;
	pid_t pid;
	enum role role;
	unsigned calls[CALLS];
};

static struct point points[MAX_POINTS];
static int point_count;
static struct process *processes;
static int log_file;

static void fail(const char *what)
{
	perror(what);
	_exit(125);
}

static void add_point(char *text)
{
	if (point_count == MAX_POINTS)
		fail("too many points");
	struct point *point = &points[point_count++];
	char *call = strchr(text, ':');
	if (call != NULL) {
		*call++ = '\0';
		point->kills = sscanf(call, "%lu:%u:%u", &point->call, &point->nth, &point->times) == 3;
	}
	for (size_t i = 0; i < sizeof who / sizeof *who; i++)
		if (strcmp(who[i].name, text) == 0)
			point->roles = who[i].roles;
	if (point->roles == 0 || (call != NULL && !point->kills))
		fail(text);
}

static const char *role_name(enum role role)
{
	for (size_t i = 0; i < sizeof who / sizeof *who; i++)
		if (who[i].roles == role)
			return who[i].name;
	return "member";
}

static bool is_watched(enum role role)
{
	for (int i = 0; i < point_count; i++)
		if (points[i].roles & role)
			return true;
	return false;
}

static struct process *find(pid_t pid)
{
	struct process *process = processes;
	while (process != NULL && process->pid != pid)
		process = process->next;
	return process;
}

static struct process *add(pid_t pid, enum role role)
{
	struct process *process = calloc(1, sizeof *process);
	if (process == NULL)
		fail("calloc");
	process->pid = pid;
	process->role = role;
	process->next = processes;
	return processes = process;
}

static void forget(pid_t pid)
{
	for (struct process **at = &processes; *at != NULL; at = &(*at)->next) {
		struct process *process = *at;
		if (process->pid != pid)
			continue;
		*at = process->next;
		free(process);
		return;
	}
}

/* What it does to one that has been killed has no effect. */
static void go_on(const struct process *process, int signal)
{
	ptrace(is_watched(process->role) ? PTRACE_SYSCALL : PTRACE_CONT, process->pid, 0, signal);
}

static void let_go(struct process *process)
{
	ptrace(PTRACE_DETACH, process->pid, 0, 0);
	forget(process->pid);
}

/* Threads are followed in jobs alone: those of a supervisor do nothing that is its own. */
static long options_of(enum role role)
{
	long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK |
	               PTRACE_O_TRACEVFORK;
	return role == SUPERVISOR ? options : options | PTRACE_O_TRACECLONE;
}

static void begin(struct process *child)
{
	ptrace(PTRACE_SETOPTIONS, child->pid, 0, options_of(child->role));
	go_on(child, 0);
}

/* The child may have stopped before its parent tells of it, or not have stopped yet. */
static void welcome(const struct process *parent)
{
	unsigned long pid = 0;
	ptrace(PTRACE_GETEVENTMSG, parent->pid, 0, &pid);
	enum role role = parent->role < LEADER ? parent->role << 1 : MEMBER;
	struct process *child = find((pid_t)pid);
	if (child == NULL) {
		add((pid_t)pid, role);
		return;
	}
	child->role = role;
	begin(child);
}

static bool is_keeper(pid_t pid)
{
	char path[64], target[64] = "";
	snprintf(path, sizeof path, "/proc/%d/exe", pid);
	ssize_t length = readlink(path, target, sizeof target);
	size_t expected = strlen(KEEPER_PROGRAM);
	return length >= (ssize_t)expected && memcmp(target, KEEPER_PROGRAM, expected) == 0;
}

static void note_execution(struct process *process)
{
	if (process->role == LEADER)
		process->role = MEMBER;
	bool is_another = process->role == KEEPER && !is_keeper(process->pid);
	if (is_another || (process->role == MEMBER && !is_watched(MEMBER)))
		let_go(process);
	else
		go_on(process, 0);
}

static void note_call(const struct process *process, const struct call_info *info)
{
	bool creates = info->call == SYS_openat && info->arguments[2] & (O_CREAT | O_TRUNC);
	dprintf(log_file, "call %d %d%s\n", process->pid, (int)info->call, creates ? " creates" : "");
}

static void kill_at(const struct process *process, const struct point *point)
{
	char line[8 * CALLS];
	int length = sprintf(line, "kill %s %d %lu:%u after", role_name(process->role), process->pid,
	                     point->call, point->nth);
	for (unsigned call = 0; call < CALLS; call++) {
		unsigned times = process->calls[call] - (call == point->call);
		if (times > 0 && length < (int)sizeof line - 32)
			length += sprintf(line + length, " %u:%u", call, times);
	}
	line[length++] = '\n';
	if (write(log_file, line, (size_t)length) < 0)
		fail("write");
	kill(process->pid, SIGKILL);
}

static void at_call(struct process *process)
{
	struct call_info info = {0};
	ptrace(GET_SYSCALL_INFO, process->pid, sizeof info, &info);
	if (info.op != AT_ENTRY || info.call >= CALLS)
		return;
	unsigned nth = ++process->calls[info.call];
	for (int i = 0; i < point_count; i++) {
		struct point *point = &points[i];
		if (!(point->roles & process->role))
			continue;
		if (!point->kills)
			note_call(process, &info);
		if (!point->kills || info.call != point->call || nth != point->nth || point->times == 0)
			continue;
		point->times--;
		kill_at(process, point);
	}
}

static bool is_stopping(int signal)
{
	return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

static void at_stop(struct process *process, int status)
{
	int signal = WSTOPSIG(status);
	switch (status >> 16) {
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		welcome(process);
		go_on(process, 0);
		return;
	case PTRACE_EVENT_EXEC:
		note_execution(process);
		return;
	case PTRACE_EVENT_STOP:
		if (is_stopping(signal))
			ptrace(PTRACE_LISTEN, process->pid, 0, 0);
		else
			begin(process);
		return;
	}
	if (signal == (SIGTRAP | 0x80))
		at_call(process);
	go_on(process, signal == (SIGTRAP | 0x80) ? 0 : signal);
}

static void follow(void)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, __WALL);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			return;
		struct process *process = find(pid);
		if (!WIFSTOPPED(status))
			forget(pid);
		else if (process == NULL)
			add(pid, UNBORN);
		else
			at_stop(process, status);
	}
}

/* Its calls count from the end of its first execve on. */
static void await_execution(pid_t supervisor)
{
	int status;
	while (waitpid(supervisor, &status, __WALL) == supervisor && WIFSTOPPED(status)) {
		if (status >> 16 == PTRACE_EVENT_EXEC)
			return;
		ptrace(PTRACE_CONT, supervisor, 0, status >> 16 ? 0 : WSTOPSIG(status));
	}
	_exit(0);
}

static void trace(pid_t supervisor, int ready)
{
	if (ptrace(PTRACE_SEIZE, supervisor, 0, options_of(SUPERVISOR)) < 0)
		fail("PTRACE_SEIZE");
	close(ready);
	await_execution(supervisor);
	go_on(add(supervisor, SUPERVISOR), 0);
	follow();
	_exit(0);
}

int main(int argc, char **argv)
{
	int at = 2, ready[2];
	for (; at < argc && strcmp(argv[at], "--") != 0; at++)
		add_point(argv[at]);
	if (at + 1 >= argc || pipe2(ready, O_CLOEXEC) < 0)
		fail(argv[0]);
	log_file = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (log_file < 0)
		fail(argv[1]);
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	pid_t supervisor = getpid(), child = fork();
	if (child == 0) {
		close(ready[0]);
		if (fork() == 0)
			trace(supervisor, ready[1]);
		_exit(0);
	}
	close(ready[1]);
	waitpid(child, NULL, 0);
	/* Until it is closed, by a tracer that traces or that has failed. */
	char nothing;
	if (read(ready[0], &nothing, 1) < 0)
		fail("read");
	execvp(argv[at + 1], argv + at + 1);
	fail(argv[at + 1]);
}
