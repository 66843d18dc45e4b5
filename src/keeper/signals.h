/*
 * Signals: the keeper and its shims block all that can be blocked, so none hurts them and a job's
 * leader starts with dispositions as they are by default. By system calls, since the C library
 * leaves two of them (32 and 33) out.
 */

#ifndef SIGNALS_H
#define SIGNALS_H

void default_signals(void);
void block_signals(void);
void unblock_signals(void);

/*
 * Lets in the wish for an introduction (SIGUSR1) and the time to tell news (SIGALRM); block_signals shuts
 * them out again.
 */
void unblock_wishes(void);

#endif
