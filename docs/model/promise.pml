/* The promise of bearerd as a protocol that a machine checks: every order in which
 * the steps below can happen.
 *
 * Read it beside the documentation of internal/revocation. README.md in this
 * directory says what is modelled, what is not, and what each switch breaks; the
 * words in capitals that are no constants of this file are switches, all off.
 *
 * There is one token, and one entry of the log, which revokes it. The promise has
 * two halves:
 *
 *   P1  A request that comes after the revocation was acknowledged is not
 *       accepted, by any node.
 *   P2  No request is accepted later than L after the entry became durable and
 *       visible, acknowledged or not.
 */
#include "switches.pml"

/* ---- 1. The database -----------------------------------------------------------
 *
 * OLD is the primary at the beginning, as its clients see it. NEW is its synchronous
 * standby, and so what is durable. A commit is durable first and visible then; nobody
 * can tell, so here both are one step. Only a wait for the standby that is cancelled
 * makes visible on OLD what NEW doesn't have. The server writes in one order, so what
 * becomes durable takes with it all that was visible before.
 *
 * After the promotion NEW is the primary, and its commits are durable. OLD can still
 * be read, unless it was fenced, but a commit there waits for ever, or until somebody
 * cancels that.
 */

#define OLD  0
#define NEW  1
#define LATE 2                  /* an asynchronous standby */

#define NONE   0                /* the log doesn't have the entry */
#define LIVE   1
#define PURGED 2                /* it had; it says up to which expiry it was purged */

#define ABSENT    0             /* the node is not on the list */
#define LISTED    1             /* it is, without having confirmed the entry */
#define CONFIRMED 2             /* it is, and has */

typedef Server {
	byte entry;
	byte row[NODES];
	byte age[NODES]         /* of the question that a row LISTED rests on */
}

Server db[3];
bool promoted;

#define reachable(s) (s == promoted || s == OLD && !FENCED)
#define commits(s)   (s == promoted || s == OLD && ALONE && !FENCED)

inline anyServer(s) {           /* which one the name of the database leads to */
	if
	:: reachable(OLD) -> s = OLD
	:: reachable(NEW) -> s = NEW
	fi
}

inline setRow(s, i, what, old) {
	db[s].row[i] = what;
	db[s].age[i] = old
}

inline copy(from, to) {
	d_step {
		db[to].entry = db[from].entry;
		for (j : 0 .. NODES - 1) {
			setRow(to, j, db[from].row[j], db[from].age[j])
		}
		j = 0
	}
}

inline replicate() {            /* part of every commit that is answered without a warning */
	if
	:: promoted
	:: !promoted -> copy(OLD, NEW)
	:: !promoted && ASYNC
	fi
}

/* ---- 2. Clocks -----------------------------------------------------------------
 *
 * There is no absolute time, only ages, in ticks of the revoker's clock. The clocks of
 * two machines part by at most one tick in L. So what is L old by the revoker's clock
 * may be less by the node's, and a node that takes it for less may do more: here it
 * always does. At OVER, which stands for 1.001 L, no clock can err any more.
 *
 * Wall clocks may show anything at any time. Nothing here asks one.
 */

#define OVER (L + 1)
#define within(age) (age < L || age == L && !EXACT)
#define older(age, when) age = (when && age < OVER -> age + 1 : age)

mtype = { IDLE, ASKED, ANSWERED, LEAVING }

typedef Node {
	mtype step = IDLE;
	bool knows;             /* it has applied the entry, or knows that it was purged */
	bit  origin;            /* the server whose answer it applied last */
	byte question;          /* age of the question under way */
	bool late;              /* which answers requests that came after the acknowledgement */
	byte since = OVER;      /* age of the question that was confirmed last */
	bool leased;            /* and renewed the lease */
	bool forgot             /* the entry; see CLOCK_BACK */
}

Node node[NODES];
#define me node[i]

bool acknowledged;
byte shown;                     /* for how long the entry has been durable and visible */
byte waited = OVER;             /* for how long the revoker has waited */
bool expired;                   /* the token, in truth; see OWN_PURGE and OWN_EXPIRY */
bool stopped;                   /* the nodes' clocks; see STOPPED */

active proctype Time() {
	byte i;
	do
	:: d_step {
		for (i : 0 .. NODES - 1) {
			older(me.since, !stopped);
			me.leased = me.leased && within(me.since);
			older(me.question, !stopped && !me.knows && (me.step == ASKED || me.step == ANSWERED));
			older(db[OLD].age[i], db[OLD].row[i] == LISTED);
			older(db[NEW].age[i], db[NEW].row[i] == LISTED)
		}
		i = 0;
		older(waited, true);
		older(shown, P2 && db[NEW].entry != NONE)
	}
	od
}

/* ---- 3. A node -----------------------------------------------------------------
 *
 * It rejects the token once it knows the entry. What else it does then can't break the
 * promise, so its ages are no longer counted: that keeps the search small.
 *
 * A request that finds no lease waits for the next question to start. So it is enough
 * to look at requests that come at the very moment at which a question starts.
 */

#define accepts  (!me.knows && !(OWN_PURGE && expired))
#define learns(s) (db[s].entry == LIVE && !me.forgot || db[s].entry == PURGED && !OWN_PURGE && !OWN_EXPIRY)
#define yes(late) assert(!late); assert(shown <= L)

inline idle() {
	me.step = IDLE;
	me.question = 0;
	me.late = false
}

inline endLease() {
	me.since = OVER;
	me.leased = false
}

inline leaveList() {
	setRow(OLD, i, ABSENT, 0);
	setRow(NEW, i, ABSENT, 0)
}

inline restart() {
	d_step {
		idle();
		endLease();
		leaveList();                    /* a new process has a new name */
		me.knows = false;
		me.forgot = false;
		me.origin = OLD
	}
}

inline confirm(s) {
	if
	:: acknowledged                         /* nobody reads the list any more */
	:: else -> setRow(s, i, LISTED + me.knows, me.question)
	fi
}

inline confirmed() {
	d_step {
		if                              /* the permits of the requests that waited */
		:: within(me.question) && accepts -> reached(1, promoted); yes(me.late)
		:: else
		fi;
		if
		:: me.knows
		:: else ->                      /* in time: it was on the list all along */
			me.leased = within(me.question) && (within(me.since) || ONE_QUESTION);
			me.since = me.question
		fi;
		idle()
	}
}

proctype Follower(byte i) {
	byte s, j;
	do
	/* N1. Ask. Lease and permits count from here. */
	:: d_step { me.step == IDLE && !(me.knows && acknowledged) ->
		me.step = ASKED;
		me.late = acknowledged && !me.knows
	}
	/* N2. The answer: what is visible on some server. One that is behind what the
	 * node has seen before is refused, and the lease ends. */
	:: atomic { me.step == ASKED ->
		anyServer(s);
		if
		:: s < me.origin -> endLease(); idle()
		:: s >= me.origin ->
			me.origin = s;
			me.step = ANSWERED;
			if
			:: learns(s) -> me.knows = true; endLease(); me.question = 0; me.late = false
			:: else
			fi
		fi;
		s = OLD
	}
	/* N3. Confirm what is known, in the database that the answer came from: in another
	 * one nothing is written. It counts when its answer comes, without a warning. The
	 * node may have been dropped before, and a revocation may not have waited for it,
	 * unless its last confirmed question is younger than L. So either this renews the
	 * lease, or the node asks again. */
	:: atomic { me.step == ANSWERED ->
		anyServer(s);
		me.origin = (CONFIRM_ELSEWHERE -> s : me.origin);
		if
		:: s == me.origin && commits(s) ->
			confirm(s);
			replicate();
			if
			:: confirmed()
			:: idle()                       /* the answer is lost */
			fi
		:: s == me.origin && s == OLD ->        /* the wait for the standby is cancelled */
			confirm(s);
			if
			:: WARNING_CONFIRMS -> confirmed()
			:: else -> idle()
			fi
		:: idle()                               /* it doesn't arrive */
		fi;
		s = OLD
	}
	/* N4. Accept under the lease. */
	:: d_step { me.leased && accepts -> reached(2, promoted); reached(3, shown == L); yes(acknowledged) }
	/* N5. A verifier that listens to this node accepts until L after the last question
	 * that was confirmed. Nobody waits for it: of the promise it keeps P2. */
	:: d_step { within(me.since) && accepts -> assert(shown <= L) }
	/* N6. Leave: end the lease, then leave the list. */
	:: d_step { me.step == IDLE ->
		if
		:: LEAVE_LISTED -> leaveList()
		:: else -> endLease()
		fi;
		me.step = LEAVING
	}
	:: me.step == LEAVING -> restart()
	/* N7. Crash, at any moment, and start again. */
	:: restart()

	/* Rules taken away. */
	:: d_step { READ_PERMITS && me.step == ANSWERED && within(me.question) && accepts -> yes(me.late) }
	:: d_step { READ_HEARTBEATS && me.step == ANSWERED && within(me.question) && accepts -> assert(shown <= L) }
	:: d_step { FROM_ANSWER && me.step == ANSWERED && me.question != 0 -> me.question = 0 }
	:: d_step { CLOCK_BACK && me.knows -> me.knows = false; me.forgot = true; idle() }
	od
}

/* ---- 4. Who revokes ------------------------------------------------------------ */

#define longEnough (waited == OVER || NO_MARGIN && waited == L || DROP_AT_ONCE)

inline startAgain() {
	again = false; s = OLD; waited = OVER
}

inline acknowledge() {
	d_step {
		reached(4, waits);
		reached(5, !waits && s == NEW && again);
		reached(6, db[OLD].row[0] == CONFIRMED);
		startAgain();
		acknowledged = true;
		waits = false;
		for (i : 0 .. NODES - 1) {
			leaveList()                     /* nobody reads it any more */
		}
		i = 0
	}
}

active proctype Revoker() {
	byte s, t, i, j;
	bool waits, again;

	/* R1. In one transaction append the entry or, where it is already, write something
	 * else: "nothing left to do" is a commit as well. Without an answer, or with a
	 * warning, nothing is acknowledged: the client asks again. */
ask:	do
	:: d_step { FROM_COMMIT_START -> waited = 0 }
	:: atomic {
		anyServer(s);
		again = db[s].entry != NONE;
		if
		:: commits(s) ->
			db[s].entry = (again -> db[s].entry : LIVE);
			replicate();
			if
			:: skip
			:: startAgain(); goto ask       /* the answer is lost */
			fi
		:: s == OLD ->                          /* the wait for the standby is cancelled */
			db[s].entry = (again -> db[s].entry : LIVE);
			if
			:: WARNING_REVOKES
			:: else -> startAgain(); goto ask
			fi
		:: READ_REVOKES && again
		fi;
		again = again && REACH == 5;
		waited = (FROM_COMMIT_START -> waited : 0);
		break
	}
	od;

	/* R2. Read the list, of no earlier database than the one that was written to. Who
	 * isn't on it joins later, and will know the entry when it has a lease. A row that
	 * has stood unchanged for longer than any lease isn't waited for. When all others
	 * have confirmed, acknowledge. */
list:	atomic {
		anyServer(t);
		if
		:: t < s && !LIST_ELSEWHERE -> goto list
		:: else
		fi;
		waits = false;
		d_step {
			for (i : 0 .. NODES - 1) {
				waits = waits || db[t].row[i] == LISTED && db[t].age[i] < OVER
			}
			i = 0; t = OLD
		};
		if
		:: !waits -> acknowledge(); goto end
		:: else
		fi
	};

	/* R3. Or after 1.001 L. */
	if
	:: d_step { longEnough -> acknowledge() }
	:: goto list
	:: d_step { startAgain(); waits = false }; goto ask
	fi;
end:	false
}

/* ---- 5. Everything else that may happen ---------------------------------------- */

active proctype World() {
	byte s, i, j;
	do
	/* W1. A standby is promoted, once: the synchronous one. */
	:: atomic { !promoted ->
		promoted = true;
		if
		:: PROMOTE_ASYNC -> copy(LATE, NEW)
		:: else
		fi;
		if
		:: FENCED -> copy(LATE, OLD)            /* nobody sees it any more */
		:: else
		fi
	}
	/* W2. A node purges. The others learn with the next answer up to which expiry that
	 * was, and take no such token for unexpired, whatever their clocks show. */
	:: atomic {
		anyServer(s);
		if
		:: commits(s) && db[s].entry == LIVE && (expired || !OWN_EXPIRY) ->
			db[s].entry = PURGED;
			replicate();
			reached(7, acknowledged)
		:: else
		fi;
		s = OLD
	}
	/* W3. Another revocation drops a node that was silent, at the earliest moment at
	 * which any rule may: 1.001 L after the question that its row rests on. */
	:: atomic {
		anyServer(s);
		select (i : 0 .. NODES - 1);
		if
		:: db[s].row[i] == LISTED && db[s].age[i] == OVER ->
			setRow(s, i, ABSENT, 0);
			if
			:: commits(s) -> replicate()
			:: true
			fi
		:: else
		fi;
		s = OLD; i = 0
	}

	/* Assumptions taken away. */
	:: atomic { PROMOTE_ASYNC && !promoted -> copy(OLD, LATE) }
	:: d_step { OWN_EXPIRY && !expired -> expired = true }
	:: d_step { STOPPED -> stopped = !stopped }
	od
}

init {
	byte i;
	atomic {
		for (i : 0 .. NODES - 1) {
			run Follower(i)
		}
		i = 0
	}
}
