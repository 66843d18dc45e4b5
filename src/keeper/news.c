#include "news.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* In the state directory, where a shim stands. */
#define SHIM_SOCKET "shims.sock"

static int own_line = -1;
static struct news facts[KINDS];
static const struct text *refusal_text;
static struct text introduction;

void open_line(int line, const struct start *start)
{
	own_line = line;
	add_number(&introduction, start->header->id);
	add(&introduction, " ");
	add_number(&introduction, start->header->attempt);
	add(&introduction, " ");
	add(&introduction, start->token);
}

void close_line(void)
{
	close(own_line);
}

void tell_once(int line, const struct news *news, const struct text *text)
{
	struct iovec parts[2] = {
		{.iov_base = (void *)news, .iov_len = sizeof *news},
		{.iov_base = text ? (void *)text->bytes : NULL, .iov_len = text ? text->length : 0},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = text ? 2 : 1};
	(void)!sendmsg(line, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void tell(const struct news *news, const struct text *text)
{
	facts[news->kind] = *news;
	if (news->kind == REFUSED)
		refusal_text = text;
	tell_once(own_line, news, text);
}

void introduce(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SHIM_SOCKET};
	int line = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (line < 0)
		return;
	if (connect(line, (struct sockaddr *)&address, sizeof address) == 0) {
		dup3(line, own_line, O_CLOEXEC);
		struct news news = {.kind = INTRODUCED, .pid = getpid()};
		tell_once(own_line, &news, &introduction);
		for (int kind = CLAIMED; kind <= EMPTY; kind++)
			if (facts[kind].kind != NONE)
				tell_once(own_line, &facts[kind], kind == REFUSED ? refusal_text : NULL);
	}
	close(line);
}

int64_t wall_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
