/* Each switch takes one rule of verifiers.pml away (spin -D…=1) or, further down, one
 * assumption. All are off in what is promised.
 */

/* Rules of a verifier. */
#ifndef CONFIRM_FIRST           /* it confirms what it has received, and applies it then */
#define CONFIRM_FIRST 0
#endif
#ifndef FROM_HEARTBEAT          /* its lease counts from when the heartbeat has come */
#define FROM_HEARTBEAT 0
#endif
#ifndef LONGER_LEASE            /* its lease is longer than the node's L */
#define LONGER_LEASE 0
#endif
#ifndef BYE_LEASED              /* it says goodbye first, and ends its lease then */
#define BYE_LEASED 0
#endif

/* Rules of a node. */
#ifndef FORGET_CLOSED           /* a verifier isn't waited for once its stream has ended */
#define FORGET_CLOSED 0
#endif
#ifndef COUNT_SILENT            /* a verifier that is silent counts as one that has confirmed */
#define COUNT_SILENT 0
#endif
#ifndef NO_REGISTRATION_MARGIN  /* a registration ends L after its question, not 1.001 L */
#define NO_REGISTRATION_MARGIN 0
#endif
#ifndef REGISTER_LATE           /* a verifier is waited for from its first confirmation on */
#define REGISTER_LATE 0
#endif
#ifndef NO_FLOOR                /* it may register at an earlier sequence than is on the list */
#define NO_FLOOR 0
#endif
#ifndef UNLISTED_HEARTBEATS     /* a heartbeat carries a question that made no lease */
#define UNLISTED_HEARTBEATS 0
#endif
#ifndef LEAVE_ALONE             /* a node that leaves takes its row off the list, verifiers or not */
#define LEAVE_ALONE 0
#endif
#ifndef LEAVE_WRITING           /* or writes a heartbeat after it has counted them */
#define LEAVE_WRITING 0
#endif

/* Assumptions. */
#ifndef STOPPED                 /* a verifier's boot-time clock stands while the world goes on */
#define STOPPED 0
#endif

/* More than is assumed. */
#ifndef EXACT                   /* all clocks run alike */
#define EXACT 0
#endif

/* The size of the search. */
#ifndef NODES
#define NODES 1
#endif
#ifndef STREAMS
#define STREAMS 1
#endif
#ifndef L
#define L 1                     /* in ticks */
#endif
#ifndef P2
#define P2 1
#endif

/* reached(k, here) is for the tests, which ask whether the model gets there at all. */
#ifndef REACH
#define REACH 0
#endif
#define reached(k, here) assert(k != REACH || !(here))
