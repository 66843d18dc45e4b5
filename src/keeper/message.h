/* Receives start messages, with the descriptors that come along. */

#ifndef MESSAGE_H
#define MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

struct message {
	const char *bytes;
	size_t length;
	/* Over which its shim tells news; -1 when none came. To be closed. */
	int line;
	/* What is wrong with it already (errno(3)), or 0. */
	int error;
};

/* Waits for the next one; false when there is nobody any more who could send one. */
bool receive(int socket, struct message *message);

/* Gives the memory of a large one back. */
void release_message(void);

#endif
