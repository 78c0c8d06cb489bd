package upkeep

import (
	"time"
)

// Notice is something that receivers outside are to learn of. It names tokens by their ids
// and holds no secret.
type Notice struct {
	ID      string // never used twice: the jti of what is sent
	Event   string // what happened, by its URI
	Subject string // whom it concerns; "": nobody
	At      time.Time
	Fact    []byte // the rest, as JSON
}

// Due is when a notice is to be sent to a receiver.
type Due struct {
	Receiver string
	At       time.Time
}

// Outgoing is a notice that waits for one receiver.
type Outgoing struct {
	Notice

	Seq      int64
	Attempts int // that failed
}

// DueQuery asks for the notices that are due for a receiver: those that are due first, of
// one time those of one subject beside each other.
type DueQuery struct {
	Receiver string
	Now      time.Time
	Limit    int
}

// Postponed is a notice that could not be sent, and when it is tried again.
type Postponed struct {
	Seq int64
	At  time.Time
}

// Turn is the right to send to a receiver. One node has it until it expires.
type Turn struct {
	Receiver, Node string
	Now, Until     time.Time
}

// OutboxBounds are what the notices that wait are bounded by.
type OutboxBounds struct {
	Receiver string
	Before   time.Time // notices of this time and earlier are dropped
	Most     int       // how many may wait for the receiver: the newest
}

// Waiting is how many notices wait for a receiver, up to a limit, and since when.
type Waiting struct {
	Count  int
	Oldest time.Time // zero: none waits
}

// Place is a network from which a token was used.
type Place struct{ TokenID, Network string }

// NetworksKept is how many networks are remembered of each token.
const NetworksKept = 50
