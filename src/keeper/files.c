#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "news.h"
#include "signals.h"

#define PRIVATE 0600

static int run = -1;
static struct text run_path;

bool open_run(uint64_t id)
{
	add(&run_path, "runs/");
	add_number(&run_path, id);
	while ((run = open(ended(&run_path), O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return false;
		pause_a_second();
	}
	return true;
}

static bool is_run_gone(void)
{
	return access(run_path.bytes, F_OK) < 0 && errno == ENOENT;
}

void pause_a_second(void)
{
	struct timespec second = {.tv_sec = 1};
	send_news();
	unblock_wishes();
	nanosleep(&second, NULL);
	block_signals();
}

static bool write_once(int directory, const char *path, const struct text *text)
{
	int fd = openat(directory, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, PRIVATE);
	if (fd < 0)
		return false;
	bool is_whole = write(fd, text->bytes, text->length) == (ssize_t)text->length;
	return close(fd) == 0 && is_whole;
}

static bool write_until_done(int directory, const char *path, const struct text *text)
{
	while (!write_once(directory, path, text)) {
		if (is_run_gone())
			return false;
		pause_a_second();
	}
	return true;
}

bool write_in_run(const char *name, const struct text *text)
{
	return write_until_done(run, name, text);
}

bool replace_in_run(const char *name, const struct text *text)
{
	struct text aside;
	empty(&aside);
	add(&aside, name);
	add(&aside, ".new");
	for (;;) {
		if (!write_in_run(ended(&aside), text))
			return false;
		if (renameat(run, aside.bytes, run, name) == 0)
			return true;
		if (is_run_gone())
			return false;
		pause_a_second();
	}
}

bool write_exit_record(uint64_t id, const struct text *text)
{
	struct text path;
	empty(&path);
	add(&path, "exits/");
	add_number(&path, id);
	return write_until_done(AT_FDCWD, ended(&path), text);
}

/* By its pid the name is another's than that of a second shim of the same attempt. */
enum claim_result make_claim(const char *name, const struct text *text)
{
	struct text aside;
	empty(&aside);
	add(&aside, name);
	add(&aside, ".by-");
	add_number(&aside, (uint64_t)getpid());
	ended(&aside);
	for (;;) {
		if (!write_in_run(aside.bytes, text))
			return CLAIM_IMPOSSIBLE;
		int result = linkat(run, aside.bytes, run, name, 0), error = errno;
		unlinkat(run, aside.bytes, 0);
		if (result == 0)
			return CLAIM_MADE;
		if (error == EEXIST)
			return CLAIM_TAKEN;
		if (is_run_gone())
			return CLAIM_IMPOSSIBLE;
		pause_a_second();
	}
}

int open_log(const char *name)
{
	int fd;
	while ((fd = openat(run, name, O_WRONLY | O_APPEND | O_CREAT, PRIVATE)) < 0) {
		if (is_run_gone())
			return -1;
		pause_a_second();
	}
	return fd;
}
