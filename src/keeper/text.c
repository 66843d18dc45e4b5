#include "text.h"

#include <string.h>

void empty(struct text *text)
{
	text->length = 0;
}

void add_bytes(struct text *text, const char *bytes, size_t length)
{
	/* One byte is kept for the end. */
	size_t room = TEXT_BYTES - 1 - text->length;
	if (length > room)
		length = room;
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
}

void add(struct text *text, const char *words)
{
	add_bytes(text, words, strlen(words));
}

void add_number(struct text *text, uint64_t number)
{
	char digits[20];
	size_t at = sizeof digits;
	do
		digits[--at] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	add_bytes(text, digits + at, sizeof digits - at);
}

void add_signed(struct text *text, int64_t number)
{
	if (number < 0)
		add(text, "-");
	add_number(text, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

const char *ended(struct text *text)
{
	text->bytes[text->length] = '\0';
	return text->bytes;
}
