/* Waiting for a verifier outside the cluster (wait=all), as a protocol that a machine
 * checks: every order in which the steps below can happen.
 *
 * Read it beside the documentation of internal/confirming. It builds on promise.pml, which
 * shows what holds of the nodes themselves: here the database is one server, and what
 * counts is what a verifier may do that follows the stream of a node, loses it, and goes to
 * another one. There is one token, one entry, which revokes it, and one verifier.
 *
 *   P1  A request that comes after the revocation was acknowledged with wait=all is not
 *       accepted by the verifier.
 *   P2  No request is accepted there later than L after the entry was committed.
 */
#include "verifierswitches.pml"

/* ---- 1. Clocks: ages only, as in promise.pml ------------------------------------ */

#define OVER (L + 1)            /* 1.001 L: no clock can err any more */
#define within(age) (age < L || age == L && !EXACT)
#define older(age, when) age = (when && age < OVER -> age + 1 : age)

/* ---- 2. The database ------------------------------------------------------------ */

#define ABSENT 0
#define LISTED 1
#define LEFT   2                /* the node has left, its verifiers' leases have not ended */

typedef Row {
	byte what;
	bool seq;               /* the node has applied the entry */
	bool outside;           /* and so have all verifiers that it has registered */
	byte age
}

bool entry;                     /* it is committed */
Row row[NODES];

/* ---- 3. Nodes and streams ------------------------------------------------------- */

mtype = { IDLE, ASKED, ANSWERED, WRITING, AGAIN, LEAVING, COUNTED, GONE };

typedef Node {
	mtype step = IDLE;
	bool knows;             /* it has applied the entry */
	byte question;          /* age of the question under way */
	byte since = OVER;      /* of the one that was confirmed last */
	byte lease = OVER;      /* of the one that its lease, and Known, count from */
	bool known;             /* Known has the entry */
	bool floor;             /* nobody may register without the entry */
	bool left;              /* no heartbeat may be written */
	bool counted            /* what is about to be written for its verifiers */
}

typedef Stream {
	byte node;
	bool used;
	bool open;              /* the node writes to it */
	bool registered;
	bool confirmed;         /* the verifier has confirmed the entry */
	bool written;           /* a heartbeat with the entry was */
	byte until = OVER;      /* age of the question of the last heartbeat written */
	bool ready;             /* the node found that it has a lease, and is about to write */
	bool coming;              /* a heartbeat is on its way */
	bool has;               /* it has the entry; and its question's age */
	byte age;
	bool begun;             /* the verifier has read one */
	bool post;              /* a confirmation is on its way */
	bool bye                /* or a goodbye */
}

Node node[NODES];
Stream stream[STREAMS];
#define me node[i]
#define s  stream[k]
#define at node[s.node]

#define ended(k) (stream[k].until == OVER || NO_REGISTRATION_MARGIN && stream[k].until == L)
#define isBehind(k, i) (stream[k].used && stream[k].node == i && stream[k].registered && !ended(k) && !stream[k].confirmed && !(FORGET_CLOSED && !stream[k].open))
#define isThere(k, i)  (stream[k].used && stream[k].node == i && stream[k].registered && !ended(k))

#if STREAMS == 1
#define behind(i) isBehind(0, i)
#define there(i)  isThere(0, i)
#else
#define behind(i) (isBehind(0, i) || isBehind(1, i))
#define there(i)  (isThere(0, i) || isThere(1, i))
#endif

/* Outside: what the verifiers have confirmed, of what the node has applied. */
inline count() {
	me.counted = me.knows && (!behind(i) || COUNT_SILENT);
	me.floor = me.floor || me.counted
}

inline list(kind, old) {
	if
	:: acknowledged -> row[i].what = ABSENT         /* nobody reads the list any more */
	:: else ->
		row[i].what = kind;
		row[i].seq = me.knows;
		row[i].outside = me.counted;
		row[i].age = (me.knows && me.counted -> 0 : old)
	fi
}

inline unlist() {
	row[i].what = ABSENT; row[i].seq = false; row[i].outside = false; row[i].age = 0
}

/* ---- 4. The verifier ------------------------------------------------------------ */

#define NOWHERE STREAMS

byte current = NOWHERE;         /* the stream that it reads */
bool applied;
bool owing;                     /* it confirmed first; see CONFIRM_FIRST */
bool leased;
byte lease = OVER;              /* age of the question that it counts from */
bool held[STREAMS];             /* the node may wait for it */

bool acknowledged;
byte shown;                     /* for how long the entry has been committed */
byte waited;                    /* for how long the revoker has waited */
bool stopped;                   /* the verifier's clock; see STOPPED */

#define holds (leased && (within(lease) || LONGER_LEASE))

active proctype Time() {
	byte i;
	do
	:: d_step {
		for (i : 0 .. NODES - 1) {
			older(me.question, !me.knows && (me.step == ASKED || me.step == ANSWERED || me.step == WRITING));
			older(me.since, !me.known);
			older(me.lease, !me.known);
			older(row[i].age, row[i].what != ABSENT && !(row[i].seq && row[i].outside))
		}
		for (i : 0 .. STREAMS - 1) {
			older(stream[i].until, stream[i].registered && !stream[i].confirmed);
			older(stream[i].age, !stream[i].has && (stream[i].ready || stream[i].coming))
		}
		i = 0;
		older(lease, leased && !stopped && !applied);
		older(waited, entry && !acknowledged);
		older(shown, P2 && entry)
	}
	od
}

proctype Follower(byte i) {
	do
	/* N1. Ask. N2. The answer is applied. */
	:: d_step { me.step == IDLE -> me.step = ASKED; me.question = 0 }
	:: d_step { me.step == ASKED ->
		me.knows = me.knows || entry;
		me.question = (me.knows -> 0 : me.question);
		me.step = ANSWERED
	}
	/* N3. What the verifiers have confirmed is counted, and written with what the node
	 * has applied. When that is committed, and the node was on the list all along, its
	 * lease and Known count from the question. */
	:: d_step { me.step == ANSWERED -> count(); me.step = WRITING }
	:: d_step { me.step == WRITING ->
		list(LISTED, me.question);
		if
		:: within(me.question) && (within(me.since) || UNLISTED_HEARTBEATS) ->
			me.lease = me.question;
			me.known = me.knows
		:: else
		fi;
		me.since = me.question;
		me.question = 0;
		me.step = IDLE
	}
	:: d_step { me.step == WRITING -> me.question = 0; me.step = IDLE }     /* it doesn't arrive */
	:: d_step { me.step == WRITING -> list(LISTED, me.question); me.question = 0; me.step = IDLE } /* the answer is lost */
	/* N4. Between two questions it writes again what was confirmed. */
	:: d_step { me.step == IDLE && within(me.since) && me.knows && !row[i].outside && (!behind(i) || COUNT_SILENT) -> count(); me.step = AGAIN }
	:: d_step { me.step == AGAIN -> list(LISTED, 0); me.step = IDLE }
	:: d_step { me.step == AGAIN -> me.step = IDLE }
	/* N5. Leave: end the lease, count the verifiers and write no heartbeat from then on;
	 * the row stays for them. */
	:: d_step { me.step == IDLE -> me.lease = OVER; me.step = LEAVING }
	:: d_step { me.step == LEAVING -> count(); me.left = !LEAVE_WRITING; me.step = COUNTED }
	:: d_step { me.step == COUNTED ->
		if
		:: there(i) && !LEAVE_ALONE -> list(LEFT, 0)
		:: else -> unlist()
		fi;
		me.step = GONE
	}
	/* N6. Crash, at any moment. The verifiers hold their leases; the row stays. */
	:: d_step { me.step != GONE -> me.left = true; me.lease = OVER; me.question = 0; me.step = GONE }
	od
}

proctype Writer(byte k) {
	do
	/* S1. What is known, and that the node has a lease, is looked at before a heartbeat
	 * is written. */
	:: d_step { s.open && !s.ready && !s.coming && within(at.lease) ->
		s.ready = true;
		s.has = at.known;
		s.age = at.lease
	}
	/* S2. Before it is written it is recorded. With the first one the verifier is
	 * registered, at no earlier sequence than the list says. */
	:: d_step { s.ready ->
		s.ready = false;
		if
		:: s.open && !at.left && (s.registered && !ended(k) || s.has || !at.floor || NO_FLOOR) ->
			if
			:: s.registered && !ended(k)
			:: else ->
				s.registered = !REGISTER_LATE;
				s.confirmed = s.has;
				s.until = OVER
			fi;
			s.written = s.written || s.has;
			s.until = (s.age < s.until -> s.age : s.until);
			s.coming = true
		:: else -> s.has = false; s.age = 0
		fi
	}
	/* S3. The stream ends. Its registration goes on until its time. */
	:: d_step { s.open -> s.open = false; s.ready = false }
	/* S4. What the verifier sends arrives, however late, or doesn't. */
	:: d_step { s.post ->
		s.post = false;
		if
		:: REGISTER_LATE && at.step != GONE -> s.registered = true; s.confirmed = s.written
		:: !REGISTER_LATE && s.registered && s.written -> s.confirmed = true
		:: else
		fi
	}
	:: d_step { s.bye -> s.bye = false; s.registered = false; s.open = false; s.ready = false }
	:: d_step { s.post || s.bye -> s.post = false; s.bye = false }
	/* S5. Nothing rests on it any more. */
	:: d_step { s.used && current != k && !s.open && !s.post && !s.bye && (!s.registered || ended(k) || at.step == GONE) ->
		s.used = false; s.registered = false; s.confirmed = false; s.written = false; s.until = OVER;
		s.ready = false; s.coming = false; s.has = false; s.age = 0; s.begun = false; s.node = 0;
		held[k] = false
	}
	od
}

inline forgetAll() {
	for (j : 0 .. STREAMS - 1) { held[j] = false }
	j = 0
}

inline byeToAll() {
	for (j : 0 .. STREAMS - 1) { stream[j].bye = stream[j].bye || held[j] }
	forgetAll()
}

inline endLease() { leased = false; lease = OVER }

active proctype Verifier() {
	byte j, n;
	do
	/* V1. Open a stream at some node. */
	:: atomic { current == NOWHERE ->
		select (j : 0 .. STREAMS - 1);
		select (n : 0 .. NODES - 1);
		if
		:: !stream[j].used && node[n].step != GONE && !node[n].left ->
			stream[j].used = true;
			stream[j].open = true;
			stream[j].node = n;
			current = j
		:: else
		fi;
		j = 0; n = 0
	}
	/* V2. Read a heartbeat, after the entries before it were applied: the lease counts
	 * from its question. From the second one on the verifier confirms. Once the lease
	 * rests on this stream, it says goodbye to those before. A node that is behind what
	 * is applied is left. */
	:: d_step { current != NOWHERE && stream[current].coming ->
		stream[current].coming = false;
		if
		:: applied && !stream[current].has -> current = NOWHERE
		:: else ->
			owing = CONFIRM_FIRST && !applied && stream[current].has;
			applied = applied || stream[current].has && !CONFIRM_FIRST;
			if
			:: applied -> leased = false; lease = OVER      /* it accepts no more */
			:: !applied && (!leased || stream[current].age <= lease) ->
				lease = (FROM_HEARTBEAT -> 0 : stream[current].age);
				leased = true
			:: else
			fi;
			stream[current].post = stream[current].post || (stream[current].begun || REGISTER_LATE) && stream[current].has;
			stream[current].begun = true;
			held[current] = true;
			if
			:: stream[current].age <= lease ->
				for (j : 0 .. STREAMS - 1) {
					if
					:: j != current && held[j] ->
						stream[j].bye = true; held[j] = false
					:: else
					fi
				}
				j = 0
			:: else
			fi;
			stream[current].age = 0; stream[current].has = false
		fi
	}
	:: d_step { owing -> owing = false; applied = true; leased = false; lease = OVER }
	/* V3. Its connection breaks, which the node notices at any time. */
	:: d_step { current != NOWHERE -> stream[current].coming = false; current = NOWHERE }
	/* V4. Accept. */
	:: d_step { holds && !applied ->
		reached(3, shown == L);
		assert(!acknowledged);
		assert(shown <= L)
	}
	/* V5. Stop in good order: end the lease, then say goodbye. A new process follows. */
	:: d_step { leased ->
		if
		:: BYE_LEASED -> byeToAll()
		:: else -> endLease(); byeToAll(); current = NOWHERE; applied = false; owing = false
		fi
	}
	/* V6. Crash. */
	:: d_step { endLease(); forgetAll(); current = NOWHERE; applied = false; owing = false }
	:: d_step { STOPPED -> stopped = !stopped }
	od
}

/* ---- 5. Who revokes, and what else may happen ----------------------------------- */

active proctype Revoker() {
	byte i;
	bool waits;

	d_step { entry = true };
look:	atomic {
		waits = false;
		for (i : 0 .. NODES - 1) {
			waits = waits || row[i].what != ABSENT && row[i].age < OVER && (row[i].what == LISTED && !row[i].seq || !row[i].outside)
		}
		i = 0;
		if
		:: !waits || waited == OVER ->
			reached(1, row[0].what == LISTED && row[0].outside && isThere(0, 0) && stream[0].confirmed && !waits);
			reached(4, row[0].what == LEFT && waits);
			reached(2, waits && holds == false && stream[0].registered);
			waits = false;
			waited = 0;
			acknowledged = true;
			for (i : 0 .. NODES - 1) { unlist() }
			i = 0
		:: else
		fi
	};
	if
	:: !acknowledged -> goto look
	:: acknowledged
	fi
}

active proctype World() {
	byte i;
	do
	/* Another revocation drops a node that was silent. */
	:: atomic {
		select (i : 0 .. NODES - 1);
		if
		:: row[i].what != ABSENT && row[i].age == OVER ->
			unlist()
		:: else
		fi;
		i = 0
	}
	od
}

init {
	byte i;
	atomic {
		for (i : 0 .. NODES - 1) { run Follower(i) }
		for (i : 0 .. STREAMS - 1) { run Writer(i) }
		i = 0
	}
}
