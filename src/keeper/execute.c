#include "execute.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "interpreter.h"
#include "refuse.h"

/* What execvp(3) searches where PATH is not set (confstr(3), _CS_PATH). */
#define DEFAULT_PATH "/bin:/usr/bin"
/* Runs what the kernel knows no way to run: a script without #!. */
#define SHELL "/bin/sh"

static const char *variable(char **envp, const char *name)
{
	size_t length = strlen(name);
	for (; *envp != NULL; envp++)
		if (strncmp(*envp, name, length) == 0 && (*envp)[length] == '=')
			return *envp + length + 1;
	return NULL;
}

static noreturn void refuse_denied(const char *path)
{
	struct stat file;
	struct statvfs system;
	if (stat(path, &file) < 0)
		refuse(STAGE_COMMAND, EACCES, path, NULL);
	if (S_ISDIR(file.st_mode))
		refuse(STAGE_COMMAND, EISDIR, path, NULL);
	if (file.st_mode & 0111 && statvfs(path, &system) == 0 && system.f_flag & ST_NOEXEC)
		refuse(STAGE_NOEXEC, EACCES, path, NULL);
	char interpreter[PATH_MAX];
	if (access(path, X_OK) == 0 && find_interpreter(path, interpreter))
		refuse(STAGE_INTERPRETER, EACCES, path, interpreter);
	refuse(STAGE_COMMAND, EACCES, path, NULL);
}

static noreturn void refuse_path(int error, const char *path)
{
	char interpreter[PATH_MAX];
	if (error == EACCES)
		refuse_denied(path);
	/* The kernel says the same of a file that is not there and of its interpreter. */
	if ((error == ENOENT || error == ELOOP) && access(path, F_OK) == 0) {
		bool is_known = find_interpreter(path, interpreter);
		refuse(STAGE_INTERPRETER, error, path, is_known ? interpreter : NULL);
	}
	refuse(STAGE_COMMAND, error, path, NULL);
}

/* Returns the error when it cannot be executed. */
static int try(char *path, char **argv, char **envp)
{
	execve(path, argv, envp);
	if (errno != ENOEXEC)
		return errno;
	argv[-1] = SHELL;
	argv[0] = path;
	execve(SHELL, argv - 1, envp);
	refuse(STAGE_INTERPRETER, errno, path, SHELL);
}

/* Whether execvp(3) goes on after it, as where a disk of PATH does not answer. */
static bool is_passed_over(int error)
{
	return error == EACCES || error == ENOENT || error == ENOTDIR || error == ESTALE ||
	       error == ENODEV || error == ETIMEDOUT;
}

/* `directory` without its end: an empty one is the working directory. False when it is too long. */
static bool join(char *path, const char *directory, size_t length, const char *name)
{
	if (length + 1 + strlen(name) >= PATH_MAX)
		return false;
	memcpy(path, directory, length);
	if (length > 0)
		path[length++] = '/';
	strcpy(path + length, name);
	return true;
}

/* Remembers the first one only. */
static void remember(char *first, const char *path)
{
	if (first[0] == '\0')
		strcpy(first, path);
}

static noreturn void search(const char *directories, char **argv, char **envp)
{
	static char path[PATH_MAX], denied[PATH_MAX], unrunnable[PATH_MAX];
	const char *command = argv[0];
	for (const char *at = directories;;) {
		size_t length = strcspn(at, ":");
		if (join(path, at, length, command)) {
			int error = try(path, argv, envp);
			if (!is_passed_over(error))
				refuse_path(error, path);
			if (error == EACCES)
				remember(denied, path);
			else if (error == ENOENT && access(path, F_OK) == 0)
				remember(unrunnable, path);
		}
		if (at[length] == '\0')
			break;
		at += length + 1;
	}
	if (denied[0] != '\0')
		refuse_path(EACCES, denied);
	if (unrunnable[0] != '\0')
		refuse_path(ENOENT, unrunnable);
	refuse(STAGE_COMMAND, ENOENT, command, NULL);
}

noreturn void execute(char **argv, char **envp)
{
	char *command = argv[0];
	if (command[0] == '\0')
		refuse(STAGE_COMMAND, ENOENT, command, NULL);
	if (strchr(command, '/') != NULL)
		refuse_path(try(command, argv, envp), command);
	if (strlen(command) > NAME_MAX)
		refuse(STAGE_COMMAND, ENAMETOOLONG, command, NULL);
	const char *directories = variable(envp, "PATH");
	search(directories == NULL ? DEFAULT_PATH : directories, argv, envp);
}
