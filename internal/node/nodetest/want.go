package nodetest

import (
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// Must ends the test with an error.
func Must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// Second returns the error of a call whose result the test has no use for.
func Second[T any](_ T, err error) error { return err }

// EveryKind returns all kinds of token.
func EveryKind() []token.Kind {
	return []token.Kind{
		token.KindAccess, token.KindTask, token.KindExchangeKey, token.KindAPIToken, token.KindRefresh, token.KindSession,
	}
}

// Judge verifies a token as one that calls APIs.
func (f *Fixture) Judge(tb testing.TB, issued *issuance.Issued) (*verification.Token, error) {
	tb.Helper()
	return f.Verify(tb.Context(), issued.Value.Reveal(), verification.Requirements{})
}

// WantAlive reports an error unless the token, of any kind, is accepted.
func (f *Fixture) WantAlive(tb testing.TB, what string, issued *issuance.Issued) {
	tb.Helper()
	if _, err := f.Verify(tb.Context(), issued.Value.Reveal(), anyToken()); err != nil {
		tb.Errorf("%s: %v; want it accepted", what, err)
	}
}

// WantDead reports an error unless the token, of any kind, is refused as revoked.
func (f *Fixture) WantDead(tb testing.TB, what string, issued *issuance.Issued) {
	tb.Helper()
	_, err := f.Verify(tb.Context(), issued.Value.Reveal(), anyToken())
	WantFault(tb, what, err, fault.InvalidToken, "revoked")
}

func anyToken() verification.Requirements {
	return verification.Requirements{Kinds: EveryKind(), AnyAudience: true}
}

// WantRowDead reports an error when a token has a row that says that it is valid: it
// would be accepted once the log has forgotten its revocation.
func (f *Fixture) WantRowDead(tb testing.TB, what string, issued *issuance.Issued) {
	tb.Helper()
	row, _, err := f.Store.TokenByID(tb.Context(), issued.ID)
	if fault.Is(err, fault.NotFound) {
		return
	}
	Must(tb, err)
	if row.RevokedAt.IsZero() {
		tb.Errorf("%s: the row of a token that was void when it was stored says that it lives", what)
	}
}

// WantFault reports an error unless err is a fault of the kind, with the text in its message.
func WantFault(tb testing.TB, what string, err error, kind fault.Kind, text string) {
	tb.Helper()
	if !fault.Is(err, kind) || !strings.Contains(fault.Message(err), text) {
		tb.Errorf("%s: kind %d, %v; want kind %d with %q", what, fault.KindOf(err), err, kind, text)
	}
}

// Refusals counts what was asked for and not done, after writing to the audit log what
// the node has counted of it.
func (f *Fixture) Refusals(tb testing.TB) (n int) {
	tb.Helper()
	Must(tb, f.Journal.FlushRefusals(tb.Context(), true))
	for _, e := range f.Events(tb, audit.Filter{Limit: audit.MaxLimit}) {
		if e.Outcome == audit.Refused {
			n += int(e.Count)
		}
	}
	return n
}

// Eventually reports the error of a check that does not succeed within a while.
func Eventually(tb testing.TB, check func() error) {
	tb.Helper()
	var err error
	for range 4000 {
		if err = check(); err == nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	tb.Error(err)
}

// HasWord reports whether a list of words has this one.
func HasWord(list, word string) bool {
	for w := range strings.FieldsSeq(list) {
		if w == word {
			return true
		}
	}
	return false
}
