/* Each switch takes one rule of the protocol away (spin -D…=1) or, further down, one
 * assumption. All are off in what is promised.
 */

/* Rules. */
#ifndef READ_REVOKES            /* "nothing left to do" is read, not committed */
#define READ_REVOKES 0
#endif
#ifndef WARNING_REVOKES         /* a cancelled wait for the standby is success, of a revocation */
#define WARNING_REVOKES 0
#endif
#ifndef WARNING_CONFIRMS        /* the same, of a confirmation */
#define WARNING_CONFIRMS 0
#endif
#ifndef READ_PERMITS            /* a request's own permit needs an answer alone, no confirmation */
#define READ_PERMITS 0
#endif
#ifndef READ_HEARTBEATS         /* a stream's heartbeat carries an answer that isn't confirmed */
#define READ_HEARTBEATS 0
#endif
#ifndef ONE_QUESTION            /* the first confirmed question of a node that joins makes a lease */
#define ONE_QUESTION 0
#endif
#ifndef FROM_ANSWER             /* the lease counts from when the answer has come */
#define FROM_ANSWER 0
#endif
#ifndef CONFIRM_ELSEWHERE       /* a confirmation counts though another server answered the question */
#define CONFIRM_ELSEWHERE 0
#endif
#ifndef LEAVE_LISTED            /* a node leaves the list first, and ends its lease then */
#define LEAVE_LISTED 0
#endif
#ifndef DROP_AT_ONCE            /* a silent node isn't waited for until its lease has run out */
#define DROP_AT_ONCE 0
#endif
#ifndef NO_MARGIN               /* it is waited for L, not 1.001 L */
#define NO_MARGIN 0
#endif
#ifndef FROM_COMMIT_START       /* and from before the commit, not from after it */
#define FROM_COMMIT_START 0
#endif
#ifndef LIST_ELSEWHERE          /* the list may be an earlier server's than the one written to */
#define LIST_ELSEWHERE 0
#endif
#ifndef OWN_PURGE               /* a node purges by its own clock, which is a day ahead */
#define OWN_PURGE 0
#endif
#ifndef OWN_EXPIRY              /* a node judges expiry by its own clock alone, which is behind */
#define OWN_EXPIRY 0
#endif
#ifndef CLOCK_BACK              /* the clock by which a node forgets and judges expiry goes back */
#define CLOCK_BACK 0
#endif

/* Assumptions. */
#ifndef ASYNC                   /* commits wait for no standby */
#define ASYNC 0
#endif
#ifndef PROMOTE_ASYNC           /* a standby is promoted that commits don't wait for */
#define PROMOTE_ASYNC 0
#endif
#ifndef ALONE                   /* the old primary goes on without its standby */
#define ALONE 0
#endif
#ifndef STOPPED                 /* a node's boot-time clock stands while the world goes on */
#define STOPPED 0
#endif

/* More than is assumed. */
#ifndef FENCED                  /* the old primary can't be read after the promotion */
#define FENCED 0
#endif
#ifndef EXACT                   /* all clocks run alike */
#define EXACT 0
#endif

/* The size of the search. P2 is about each node by itself. */
#ifndef NODES
#define NODES 2
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
