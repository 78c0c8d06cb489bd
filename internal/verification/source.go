package verification

import (
	"context"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Source answers what neither the token nor the log can answer. A node answers from its
// store and its key ring, a verifier elsewhere by asking the issuer over HTTP.
//
// Every reading carries the log's sequence as of which it is true (AsOf, Seq): it is read
// again when the log has had an entry about it since, so a look-up that was under way
// during a revocation can't undo it.
//
// The error of each method is a *token.Refusal where the token is not valid. Any other
// error means that the source can't answer now, and the request is refused with 503.
type Source interface {
	// Forms returns what opaque tokens look like.
	Forms() (token.Forms, error)
	// Key returns the key of that id from memory. Revoked is set when the source
	// knows that the key was revoked.
	Key(kid string) (token.VerificationKey, bool)
	// RefreshKeys reads the keys again, because a token names one that Key doesn't know.
	// It limits its own rate.
	RefreshKeys(ctx context.Context, kid string) error
	// Opaque reads an opaque token by its value. known are the facts that are read again;
	// nil for a token that was not seen before. A source whose answer has the subject too
	// attaches it with SetSubject, and is then not asked for it. It calls Index before it returns one token to several
	// callers.
	Opaque(ctx context.Context, raw string, known *Token) (*Token, error)
	// Subject reads the user or client that a token was issued to and, where collection
	// is set, whether that collection exists. A subject that does not exist is
	// fault.NotFound. raw may be "" where the source does not need the value.
	Subject(ctx context.Context, raw string, t *Token, collection *int64) (*Subject, error)
	// Permit is called while the process has no lease. It asks whether the log, or this
	// token, is still as it was, and returns a lease that is valid for one request only:
	// one that came before the call.
	Permit(ctx context.Context, raw string, t *Token) (revocation.Lease, error)
	// Reach returns when every entry up to seq has been applied here. For a seq that the
	// log has never reached the error is the refusal of a malformed token.
	Reach(ctx context.Context, seq revocation.Seq) error
}

// Subject is the user or client that a token speaks for, as read at one sequence of
// the log. It is shared between requests and never changed.
type Subject struct {
	ID       string
	Client   bool // a client, not a user; it has no bindings
	Disabled bool

	Username, Name, Email string // of a user
	Groups                []string
	Grants                []access.Grant

	Seq              revocation.Seq
	CollectionExists bool // the collection that was asked for
	// Partial says that the subject has access to the collection of the token that was
	// asked about, and says nothing of what else the subject may do.
	Partial bool
}

// May decides an action on a path from the grants alone. A client and a disabled
// user may do nothing.
func (s *Subject) May(action string, path access.Path) access.Decision {
	if s == nil || s.Client || s.Disabled {
		return access.Decision{}
	}
	return access.Decide(s.Grants, action, path)
}

func costOfSubject(_ string, s *Subject) int64 {
	return int64(1024 + 192*len(s.Grants) + 64*len(s.Groups))
}
