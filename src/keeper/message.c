#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "start.h"

/* More than come with a good one, so that what else comes is closed. */
#define MAX_DESCRIPTORS 8
/* What may change no more while it is read. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_WRITE)

static _Alignas(8) char buffer[MESSAGE_BYTES];
static void *large;
static size_t large_bytes;

void release_message(void)
{
	if (large != NULL)
		munmap(large, large_bytes);
	large = NULL;
}

static void open_large(int memfd, struct message *message)
{
	struct stat file;
	if (fstat(memfd, &file) < 0 || file.st_size <= 0 ||
	    (fcntl(memfd, F_GET_SEALS) & SEALS) != SEALS) {
		message->error = EBADMSG;
		return;
	}
	if (file.st_size > LARGE_BYTES) {
		message->error = E2BIG;
		return;
	}
	large_bytes = (size_t)file.st_size;
	void *bytes = mmap(NULL, large_bytes, PROT_READ, MAP_PRIVATE, memfd, 0);
	if (bytes == MAP_FAILED) {
		message->error = errno;
		return;
	}
	message->bytes = large = bytes;
	message->length = large_bytes;
}

/* All come in one part (unix(7)). The first is the line, a second one the message itself. */
static void take_descriptors(struct msghdr *header, struct message *message)
{
	struct cmsghdr *part = CMSG_FIRSTHDR(header);
	if (part == NULL || part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
		return;
	size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (size_t i = 0; i < count; i++) {
		int fd;
		memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
		if (i == 0) {
			message->line = fd;
			continue;
		}
		if (i == 1)
			open_large(fd, message);
		close(fd);
	}
	if (count > 2)
		message->error = EBADMSG;
}

/* An empty message looks like the end. */
static bool is_end(int socket)
{
	struct pollfd end = {.fd = socket, .events = POLLIN};
	return poll(&end, 1, 0) < 0 || end.revents & (POLLHUP | POLLERR | POLLNVAL);
}

bool receive(int socket, struct message *message)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(MAX_DESCRIPTORS * sizeof(int))];
	struct iovec part = {.iov_base = buffer, .iov_len = sizeof buffer};
	struct msghdr header = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof control,
	};
	ssize_t length;
	while ((length = recvmsg(socket, &header, MSG_CMSG_CLOEXEC)) < 0)
		if (errno != EINTR && errno != EMFILE && errno != ENFILE && errno != ENOMEM)
			return false;
	*message = (struct message){.bytes = buffer, .length = (size_t)length, .line = -1};
	if (header.msg_flags & MSG_TRUNC)
		message->error = EMSGSIZE;
	take_descriptors(&header, message);
	return length > 0 || message->line >= 0 || !is_end(socket);
}
