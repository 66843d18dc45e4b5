/* What our own processes exit with. */

#ifndef STATUS_H
#define STATUS_H

/* Somebody else holds the claim: the shim has run nothing. */
#define CLAIM_LOST_STATUS 97
/* The run directory is gone: nobody can want to know any more. */
#define RUN_GONE 98
/* A leader that has executed nothing. */
#define NOT_STARTED 127

#endif
