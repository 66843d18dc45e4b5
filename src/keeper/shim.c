#include "shim.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "files.h"
#include "identity.h"
#include "leader.h"
#include "message.h"
#include "news.h"
#include "refuse.h"
#include "signals.h"
#include "status.h"
#include "usage.h"

/* The leader's, where nothing was executed. */
static struct refusal refusal;

/* Async-signal-safe; let in only while the shim waits. */
static void on_wish(int signal)
{
	(void)signal;
	int error = errno;
	introduce();
	errno = error;
}

/* As on_wish. */
static void on_time(int signal)
{
	(void)signal;
	int error = errno;
	send_news();
	errno = error;
}

static void stand_up(const struct start *start)
{
	setsid();
	signal(SIGCHLD, SIG_DFL);
	sign(start->header->id, start->token);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	struct sigaction wish = {.sa_handler = on_wish};
	sigfillset(&wish.sa_mask);
	sigaction(SIGUSR1, &wish, NULL);
	wish.sa_handler = on_time;
	sigaction(SIGALRM, &wish, NULL);
	/* musl lets two of its own in when a handler is set. */
	block_signals();
}

static void tell_identity(enum news_kind kind, struct identity who)
{
	struct news news = {.kind = kind, .pid = who.pid, .ticks = who.ticks, .at_ms = wall_ms()};
	tell(&news, NULL);
}

static noreturn void lose(int status)
{
	struct news news = {.kind = CLAIM_LOST};
	tell(&news, NULL);
	send_news();
	_exit(status);
}

static void add_identity(struct text *text, struct identity who)
{
	add_number(text, (uint64_t)who.pid);
	add(text, " ");
	add_number(text, who.ticks);
}

static void claim(const struct start *start, moment before)
{
	struct identity self = identity_of(getpid(), before);
	tell_identity(FORKED, self);
	if (!open_run(start->header->id))
		lose(RUN_GONE);
	struct text text;
	empty(&text);
	add_identity(&text, self);
	add(&text, " ");
	add(&text, start->token);
	add(&text, "\n");
	enum claim_result result = make_claim(start->claim, &text);
	if (result != CLAIM_MADE)
		lose(result == CLAIM_TAKEN ? CLAIM_LOST_STATUS : RUN_GONE);
	tell_identity(CLAIMED, self);
}

/* The leader executes nothing before its identity is on disk. */
static void give_word(int leader_socket, pid_t leader, moment before)
{
	struct identity who = identity_of(leader, before);
	struct text text;
	empty(&text);
	add_identity(&text, who);
	add(&text, "\n");
	if (!write_in_run("proc", &text))
		_exit(RUN_GONE);
	send(leader_socket, "", 1, MSG_NOSIGNAL);
	tell_identity(LED, who);
}

/* Only one that has executed a program is seen without __WALL (see fork_into). */
static bool has_executed(pid_t leader)
{
	siginfo_t info;
	return waitid(P_PID, (id_t)leader, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static pid_t refuse_here(enum stage stage, int error, const char *about)
{
	refusal.stage = (int)stage;
	refusal.error = error;
	add(&refusal.about, about);
	return -1;
}

/* The leader, which executes nothing any more, has not said why. */
static void refuse_for(int status)
{
	refusal.stage = STAGE_KILLED;
	refusal.error = 0;
	empty(&refusal.about);
	add_number(&refusal.about, WIFSIGNALED(status) ? (uint64_t)WTERMSIG(status) : 0);
}

/* The leader's pid; -1 when there is none, and `refusal` says why. */
static pid_t start_leader(const struct start *start, bool *is_executed)
{
	int sockets[2], is_cgroups;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return refuse_here(STAGE_FORK, errno, "");
	moment before = this_moment();
	pid_t leader = fork_into(start->cgroup, &is_cgroups);
	if (leader < 0) {
		if (is_cgroups)
			return refuse_here(STAGE_CGROUP, errno, start->cgroup);
		return refuse_here(STAGE_FORK, errno, "");
	}
	if (leader == 0) {
		close(sockets[0]);
		close_line();
		lead(start, sockets[1]);
	}
	close(sockets[1]);
	give_word(sockets[0], leader, before);
	*is_executed = !await_refusal(sockets[0], &refusal) && has_executed(leader);
	if (*is_executed) {
		struct news news = {.kind = EXECUTED};
		tell(&news, NULL);
	}
	close(sockets[0]);
	return leader;
}

/* Waits for any child; 0 when nobody is left. */
static pid_t reap(int *status)
{
	pid_t pid;
	unblock_wishes();
	while ((pid = waitpid(-1, status, __WALL)) < 0 && errno == EINTR)
		;
	block_signals();
	return pid < 0 ? 0 : pid;
}

static int reap_until(pid_t leader)
{
	int status = 0;
	pid_t pid;
	do
		pid = reap(&status);
	while (pid != leader && pid != 0);
	return status;
}

/* Takes those that have ended too; true when nobody is left. */
static bool is_alone(void)
{
	pid_t pid;
	while ((pid = waitpid(-1, NULL, __WALL | WNOHANG)) > 0)
		;
	return pid < 0 && errno == ECHILD;
}

static void write_refusal(void)
{
	struct text text;
	empty(&text);
	add_number(&text, (uint64_t)refusal.stage);
	add(&text, " ");
	add_number(&text, (uint64_t)refusal.error);
	add(&text, " ");
	add_bytes(&text, refusal.about.bytes, refusal.about.length);
	add(&text, "\n");
	if (!write_in_run("refused", &text))
		_exit(RUN_GONE);
}

static void add_status(struct text *text, int status)
{
	add(text, "exit ");
	add_number(text, WIFEXITED(status) ? (uint64_t)WEXITSTATUS(status) : 0);
	add(text, ":");
	add_number(text, WIFSIGNALED(status) ? (uint64_t)WTERMSIG(status) : 0);
	if (WIFSIGNALED(status) && WCOREDUMP(status))
		add(text, " core");
}

static void record_end(uint64_t id, struct news *news, bool is_refused, bool is_final)
{
	struct text record;
	empty(&record);
	add_status(&record, news->status);
	add(&record, " at ");
	add_number(&record, (uint64_t)news->at_ms);
	add(&record, " ");
	add_usage(&record, &news->usage);
	if (is_refused)
		add(&record, " refused");
	if (is_final)
		add(&record, " final");
	add(&record, "\n");
	if (!write_exit_record(id, &record))
		_exit(RUN_GONE);
	tell(news, is_refused ? &refusal.about : NULL);
}

static void record_usage(const struct usage *usage)
{
	struct text text;
	empty(&text);
	add_usage(&text, usage);
	add(&text, "\n");
	if (!replace_in_run("usage", &text))
		_exit(RUN_GONE);
}

noreturn void run_shim(const struct start *start, int line, moment before)
{
	open_line(line, start);
	stand_up(start);
	claim(start, before);
	refusal.stage = NO_STAGE;
	bool is_executed = false;
	pid_t leader = start_leader(start, &is_executed);
	uint64_t id = start->header->id;
	release_message();
	int status = leader < 0 ? NOT_STARTED << 8 : reap_until(leader);
	if (!is_executed && refusal.stage == NO_STAGE)
		refuse_for(status);
	bool is_refused = refusal.stage != NO_STAGE, is_final = is_alone();
	struct news end = {
		.kind = is_refused ? REFUSED : ENDED,
		.status = status,
		.stage = refusal.stage,
		.error = refusal.error,
		.at_ms = wall_ms(),
		.usage = usage_of_reaped(),
	};
	if (is_refused)
		write_refusal();
	record_end(id, &end, is_refused, is_final);
	struct news nobody = {.kind = EMPTY, .usage = end.usage};
	if (!is_final) {
		send_news();
		while (reap(&status) != 0)
			;
		nobody.usage = usage_of_reaped();
		record_usage(&nobody.usage);
	}
	tell(&nobody, NULL);
	send_news();
	_exit(0);
}
