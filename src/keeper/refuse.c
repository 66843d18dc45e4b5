#include "refuse.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "signals.h"
#include "status.h"

static int to_shim = -1;

void open_refusals(int shim)
{
	to_shim = shim;
}

static noreturn void send_refusal(struct refusal *refusal)
{
	struct iovec parts[2] = {
		{.iov_base = refusal, .iov_len = offsetof(struct refusal, about)},
		{.iov_base = refusal->about.bytes, .iov_len = refusal->about.length},
	};
	(void)!writev(to_shim, parts, 2);
	_exit(NOT_STARTED);
}

noreturn void refuse(enum stage stage, int error, const char *about, const char *leads_to)
{
	static struct refusal refusal;
	refusal.stage = (int)stage;
	refusal.error = error;
	add(&refusal.about, about);
	if (leads_to != NULL) {
		add_bytes(&refusal.about, "", 1);
		add(&refusal.about, leads_to);
	}
	send_refusal(&refusal);
}

noreturn void refuse_number(enum stage stage, int error, int64_t about)
{
	struct text number;
	empty(&number);
	add_signed(&number, about);
	refuse(stage, error, ended(&number), NULL);
}

bool await_refusal(int leader, struct refusal *refusal)
{
	const size_t head = offsetof(struct refusal, about);
	struct iovec parts[2] = {
		{.iov_base = refusal, .iov_len = head},
		{.iov_base = refusal->about.bytes, .iov_len = TEXT_BYTES - 1},
	};
	ssize_t length;
	unblock_wishes();
	while ((length = readv(leader, parts, 2)) < 0 && errno == EINTR)
		;
	block_signals();
	if (length < (ssize_t)head)
		return false;
	refusal->about.length = (size_t)length - head;
	return true;
}
