#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "text.h"

#define INTO_CGROUP 0x200000000ull
#define TRIES 3

/* struct clone_args of clone3(2), Linux 5.7. */
struct clone_arguments {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	uint64_t set_tid, set_tid_size, cgroup;
};

/* No signal at its end, which is what tells it from one that has executed a program. */
static pid_t fork_plain(void)
{
	return (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
}

static pid_t fork_born_in(int cgroup)
{
	struct clone_arguments arguments = {.flags = INTO_CGROUP, .cgroup = (uint64_t)cgroup};
	return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

static int open_directory(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Makes it and the one above it, in one that is there and is a cgroup. */
static void make_again(const char *cgroup)
{
	struct text above, top;
	empty(&above);
	add(&above, cgroup);
	ended(&above);
	for (int level = 0; level < 2; level++) {
		char *slash = strrchr(above.bytes, '/');
		if (slash == NULL)
			return;
		*slash = '\0';
		if (level == 0) {
			empty(&top);
			add(&top, above.bytes);
		}
	}
	above.length = strlen(above.bytes);
	add(&above, "/cgroup.procs");
	if (access(ended(&above), F_OK) < 0)
		return;
	mkdir(ended(&top), 0755);
	mkdir(cgroup, 0755);
}

static bool join(int cgroup, pid_t pid)
{
	struct text number;
	empty(&number);
	add_number(&number, (uint64_t)pid);
	int fd = openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool is_in = write(fd, number.bytes, number.length) == (ssize_t)number.length;
	int error = errno;
	close(fd);
	errno = error;
	return is_in;
}

static void end_child(pid_t pid)
{
	int error = errno;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	errno = error;
}

/* -1 when it is gone and cannot be made again, or cannot be used: errno tells which (ENOENT). */
static pid_t fork_once(const char *cgroup, int *is_cgroups)
{
	int directory = open_directory(cgroup);
	if (directory < 0 && errno == ENOENT) {
		make_again(cgroup);
		directory = open_directory(cgroup);
	}
	*is_cgroups = directory < 0;
	if (directory < 0)
		return -1;
	pid_t pid = fork_born_in(directory);
	/* An older kernel, or one that is told not to let it through. */
	if (pid < 0 && errno != EAGAIN && errno != ENOMEM && errno != ENODEV) {
		pid = fork_plain();
		if (pid > 0 && !join(directory, pid)) {
			end_child(pid);
			*is_cgroups = 1;
			pid = -1;
		}
	}
	if (pid != 0) {
		int error = errno;
		close(directory);
		errno = error;
	}
	return pid;
}

pid_t fork_into(const char *cgroup, int *is_cgroups)
{
	*is_cgroups = 0;
	if (cgroup[0] == '\0')
		return fork_plain();
	pid_t pid = -1;
	for (int i = 0; i < TRIES; i++) {
		pid = fork_once(cgroup, is_cgroups);
		/* Removed since it was opened. */
		if (pid >= 0 || errno != ENODEV)
			break;
	}
	bool is_gone = pid < 0 && (errno == ENODEV || errno == ENOENT);
	if (!is_gone || access(cgroup, F_OK) == 0)
		return pid;
	*is_cgroups = 0;
	return fork_plain();
}
