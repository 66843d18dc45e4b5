/*
 * What is told to the supervisor of the moment, as src/host/shim_news.ts reads it. The line may be
 * closed or full: it is a hint, and nobody waits for it.
 */

#ifndef NEWS_H
#define NEWS_H

#include <stdint.h>

#include "start.h"
#include "text.h"

enum news_kind {
	NONE,
	FORKED,
	NOT_FORKED,
	CLAIMED,
	CLAIM_LOST,
	LED,
	EXECUTED,
	REFUSED,
	ENDED,
	EMPTY,
	INTRODUCED,
	KINDS,
};

/* Of all who were waited for. */
struct usage {
	uint64_t user_us, system_us;
	/* bytes; the most that any one of them had */
	uint64_t memory;
	/* bytes from and to storage */
	uint64_t read, written;
};

struct news {
	uint32_t kind;
	int32_t pid;
	uint64_t ticks;
	/* Wall clock, ms since 1970. */
	int64_t at_ms;
	/* As wait(2) tells it. */
	int32_t status;
	/* Why nothing was executed: enum stage (refuse.h) and errno(3). Its text follows. */
	int32_t stage, error;
	/* Bytes of the text that follows. */
	uint32_t text_bytes;
	struct usage usage;
};

/* `line`: the descriptor that it is told over, for good; what it leads to may be replaced. */
void open_line(int line, const struct start *start);

/* In the leader, to whom it does not belong. */
void close_line(void);

/*
 * A fact, which is told with those that come within the next ms, since each message wakes the supervisor
 * up, and again to every later supervisor: SIGALRM says when it is time. `text` may be NULL; it must
 * stay.
 */
void tell(const struct news *news, const struct text *text);

/* Now. */
void send_news(void);

/* One alone, over any line, without remembering it. */
void tell_once(int line, const struct news *news, const struct text *text);

/* Introduces itself to the supervisor of the moment, and tells it all that is known. */
void introduce(void);

int64_t wall_ms(void);

#endif
