#include "signals.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LAST_SIGNAL 64
#define MASK_BYTES 8

/* struct kernel_sigaction is no longer than this; all zero it is SIG_DFL without flags. */
#define ACTION_BYTES 64

static void set_mask(uint64_t mask)
{
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, MASK_BYTES);
}

void default_signals(void)
{
	uint64_t action[ACTION_BYTES / 8];
	memset(action, 0, sizeof action);
	for (int signal = 1; signal <= LAST_SIGNAL; signal++)
		syscall(SYS_rt_sigaction, signal, action, NULL, MASK_BYTES);
}

void block_signals(void)
{
	set_mask(~(uint64_t)0);
}

void unblock_signals(void)
{
	set_mask(0);
}

void unblock_wishes(void)
{
	set_mask(~((uint64_t)1 << (SIGUSR1 - 1) | (uint64_t)1 << (SIGALRM - 1)));
}
