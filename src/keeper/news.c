#include "news.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Most short jobs have ended by then, and all of one is told at once. */
#define LATEST_US 20000

/* In the state directory, where a shim stands. */
#define SHIM_SOCKET "shims.sock"

static int own_line = -1;
static struct news facts[KINDS];
static const struct text *refusal_text;
static struct text introduction;
/* What has not been sent yet: no more than all facts there are, of which one has a text. */
static char packet[KINDS * sizeof(struct news) + TEXT_BYTES];
static size_t packet_bytes;

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

static size_t text_bytes(const struct text *text)
{
	return text == NULL ? 0 : text->length;
}

void tell_once(int line, const struct news *news, const struct text *text)
{
	struct news head = *news;
	head.text_bytes = (uint32_t)text_bytes(text);
	struct iovec parts[2] = {
		{.iov_base = &head, .iov_len = sizeof head},
		{.iov_base = text ? (void *)text->bytes : NULL, .iov_len = head.text_bytes},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	(void)!sendmsg(line, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void set_timer(void)
{
	const struct itimerval once = {.it_value = {.tv_usec = LATEST_US}};
	setitimer(ITIMER_REAL, &once, NULL);
}

static void add_to_packet(const void *bytes, size_t length)
{
	memcpy(packet + packet_bytes, bytes, length);
	packet_bytes += length;
}

void tell(const struct news *news, const struct text *text)
{
	struct news *fact = &facts[news->kind];
	*fact = *news;
	fact->text_bytes = (uint32_t)text_bytes(text);
	if (news->kind == REFUSED)
		refusal_text = text;
	if (packet_bytes + sizeof *fact + fact->text_bytes > sizeof packet)
		send_news();
	if (packet_bytes == 0)
		set_timer();
	add_to_packet(fact, sizeof *fact);
	if (text != NULL)
		add_to_packet(text->bytes, text->length);
}

void send_news(void)
{
	if (packet_bytes > 0)
		(void)!send(own_line, packet, packet_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
	packet_bytes = 0;
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
