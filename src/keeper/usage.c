#include "usage.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define IO_BYTES 512
#define KIB 1024

struct bytes {
	uint64_t read, written;
};

static uint64_t number_after(const char *text, const char *words)
{
	const char *at = strstr(text, words);
	uint64_t number = 0;
	if (at == NULL)
		return 0;
	for (at += strlen(words); *at >= '0' && *at <= '9'; at++)
		number = 10 * number + (uint64_t)(*at - '0');
	return number;
}

/* 0 where the kernel does not count them. */
static struct bytes storage_bytes(const char *path)
{
	char text[IO_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return (struct bytes){0};
	ssize_t length = read(fd, text, sizeof text - 1);
	close(fd);
	text[length < 0 ? 0 : length] = '\0';
	return (struct bytes){
		.read = number_after(text, "\nread_bytes: "),
		.written = number_after(text, "\nwrite_bytes: "),
	};
}

static uint64_t microseconds(struct timeval time)
{
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

/* A process's bytes are its threads' and those of the children it has reaped; a thread's its own. */
struct usage usage_of_reaped(void)
{
	struct rusage reaped;
	getrusage(RUSAGE_CHILDREN, &reaped);
	struct bytes all = storage_bytes("/proc/self/io");
	struct bytes own = storage_bytes("/proc/thread-self/io");
	return (struct usage){
		.user_us = microseconds(reaped.ru_utime),
		.system_us = microseconds(reaped.ru_stime),
		.memory = (uint64_t)reaped.ru_maxrss * KIB,
		.read = all.read - own.read,
		.written = all.written - own.written,
	};
}

void add_usage(struct text *text, const struct usage *usage)
{
	add(text, "user ");
	add_number(text, usage->user_us);
	add(text, " system ");
	add_number(text, usage->system_us);
	add(text, " memory ");
	add_number(text, usage->memory);
	add(text, " read ");
	add_number(text, usage->read);
	add(text, " written ");
	add_number(text, usage->written);
}
