#include "usage.h"

#include <sys/resource.h>

#define KIB 1024
/* Of a block of getrusage(2), which is what the kernel counts of storage. */
#define BLOCK 512

static uint64_t microseconds(struct timeval time)
{
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

struct usage usage_of_reaped(void)
{
	struct rusage reaped;
	getrusage(RUSAGE_CHILDREN, &reaped);
	return (struct usage){
		.user_us = microseconds(reaped.ru_utime),
		.system_us = microseconds(reaped.ru_stime),
		.memory = (uint64_t)reaped.ru_maxrss * KIB,
		.read = (uint64_t)reaped.ru_inblock * BLOCK,
		.written = (uint64_t)reaped.ru_oublock * BLOCK,
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
