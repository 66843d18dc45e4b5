/*
 * The keeper: forks shims for one supervisor, and ends with it. It is executed in the state directory
 * with its socket as KEEPER_SOCKET, /dev/null as its standard streams, and room to write its shims'
 * names in its arguments and environment (see src/host/keeper_process.ts).
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "identity.h"
#include "leader.h"
#include "message.h"
#include "news.h"
#include "refuse.h"
#include "shim.h"
#include "patience.h"
#include "signals.h"

#define KEEPER_SOCKET 3
/* What it was executed from. */
#define KEEPER_PROGRAM 4

static void tell_not_forked(int line, enum stage stage, int error)
{
	struct news news = {.kind = NOT_FORKED, .stage = (int)stage, .error = error};
	tell_once(line, &news, NULL);
}

/* With what nobody needs here left out of fork(3): no thread, no handler of pthread_atfork(3). */
static pid_t fork_shim(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void handle(const struct message *message)
{
	struct start start;
	int error = message->error ? message->error
	                           : read_start(&start, message->bytes, message->length);
	if (error != 0) {
		tell_not_forked(message->line, STAGE_MESSAGE, error);
		return;
	}
	moment before = this_moment();
	pid_t pid = fork_shim();
	if (pid == 0) {
		close(KEEPER_SOCKET);
		run_shim(&start, message->line, before);
	}
	if (pid < 0)
		tell_not_forked(message->line, STAGE_FORK, errno);
	else
		try_clock(pid, before);
}

/* Ended shims are reaped by the kernel: what they know they have written down. */
static void prepare(char **argv, char **envp)
{
	block_signals();
	default_signals();
	signal(SIGCHLD, SIG_IGN);
	fcntl(KEEPER_SOCKET, F_SETFD, FD_CLOEXEC);
	close(KEEPER_PROGRAM);
	/* Linux 5.9; elsewhere nothing else has come along. */
	syscall(SYS_close_range, KEEPER_PROGRAM, ~0u, 0);
	umask(077);
	prctl(PR_SET_NAME, "holdfast-keeper");
	remember_place(argv, envp);
	read_own_oom_score();
	be_patient();
}

int main(int argc, char **argv, char **envp)
{
	(void)argc;
	prepare(argv, envp);
	struct message message;
	while (receive(KEEPER_SOCKET, &message)) {
		/* Without a line nobody would know of it. */
		if (message.line >= 0) {
			handle(&message);
			close(message.line);
		}
		release_message();
	}
	_exit(0);
}
