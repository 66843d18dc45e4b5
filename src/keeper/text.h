/* Text built in place, since nothing is allocated here. What does not fit is left out. */

#ifndef TEXT_H
#define TEXT_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

/* Room for two paths and what is said of them. */
#define TEXT_BYTES (2 * PATH_MAX + 256)

struct text {
	size_t length;
	char bytes[TEXT_BYTES];
};

/* To be begun with: what is static is empty already. */
void empty(struct text *text);

void add(struct text *text, const char *words);
void add_bytes(struct text *text, const char *bytes, size_t length);
void add_number(struct text *text, uint64_t number);
void add_signed(struct text *text, int64_t number);

/* Ends it as a C string, and returns it. */
const char *ended(struct text *text);

#endif
