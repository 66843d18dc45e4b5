/*
 * Keeper and shims do not push aside whom they are woken by (SCHED_BATCH, sched(7)): that is the supervisor,
 * which has more starts to send, and its end of a job's news to read. Jobs are scheduled as usual.
 */

#ifndef PATIENCE_H
#define PATIENCE_H

void be_patient(void);

/* In the leader. */
void hurry_again(void);

#endif
