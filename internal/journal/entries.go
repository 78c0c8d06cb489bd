package journal

import (
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Kill names a token to be revoked with everything that was made from it.
type Kill struct {
	ID      string
	Family  string    // of a refresh token: its family, which is revoked with it; "" otherwise
	Twins   []string  // of an imported token: the ids of its further rows
	Expiry  time.Time // zero: never
	Opaque  bool      // it has a row, and JWTs that outlive it may have been made from it
	Reason  string    // for the row
	Session string    // of a session: the subject whose session it is; "" otherwise
	// Consent is what is forgotten with a grant: the client has to ask again. Nil: nothing.
	Consent *op.ForgetConsent
}

// Kill returns the operations and log entries that revoke a token.
func (j *Journal) Kill(k Kill) ([]op.Op, []revocation.Entry) {
	last := k.Expiry
	if k.Opaque {
		last = j.Horizon()
	}
	ids := append([]string{k.ID}, k.Twins...)
	if k.Family != "" {
		ids = append(ids, k.Family)
	}
	entries := make([]revocation.Entry, len(ids))
	for i, id := range ids {
		entries[i] = revocation.Entry{
			What: revocation.Token, ID: id, At: j.cfg.Now(), Until: revocation.KeepUntil(last, j.cfg.Now()),
		}
	}
	ops := []op.Op{op.KillTokens{IDs: ids, At: j.cfg.Now(), Reason: k.Reason, Session: k.Session}}
	if k.Consent != nil {
		ops = append(ops, *k.Consent)
	}
	return ops, entries
}

// End returns the log entries for a token that ends at a later time, with all that was
// made from it: none when no JWT issued so far can outlive that time.
func (j *Journal) End(id string, at time.Time) []revocation.Entry {
	horizon := j.Horizon()
	if !at.Before(horizon) {
		return nil
	}
	return []revocation.Entry{{
		What: revocation.End, ID: id, At: at, Until: revocation.KeepUntil(horizon, at),
	}}
}

// EndSubject returns the batch that revokes everything issued to a subject.
func (j *Journal) EndSubject(subject, reason string, events ...audit.Event) op.Batch {
	return op.Batch{
		Ops: []op.Op{
			op.KillTokens{Owner: subject, At: j.cfg.Now(), Reason: reason},
			op.ForgetConsent{UserID: subject},
		},
		Log:   []revocation.Entry{j.CutOff(revocation.Subject, subject)},
		Audit: events,
	}
}

// EndEverything returns the batch that revokes everything issued to anybody. Its entry is
// in force for ever: the expiry of tokens that were issued after a backup is unknown.
func (j *Journal) EndEverything(reason string, events ...audit.Event) op.Batch {
	return op.Batch{
		Ops:   []op.Op{op.KillEverything{At: j.cfg.Now(), Reason: reason}},
		Log:   []revocation.Entry{{What: revocation.Everything, ID: revocation.EverythingID, At: j.cfg.Now()}},
		Audit: events,
	}
}

// CutOff returns an entry about a name, kept for as long as it can concern a token.
func (j *Journal) CutOff(what revocation.What, id string) revocation.Entry {
	return revocation.Entry{What: what, ID: id, At: j.cfg.Now(), Until: j.Horizon()}
}

// Horizon returns the latest expiry of any JWT issued so far, including those issued
// before the ceiling was lowered.
func (j *Journal) Horizon() time.Time {
	end := j.cfg.Now().Add(j.cfg.LongestToken)
	if last := j.cfg.LastExpiry(); last.After(end) {
		return last
	}
	return end
}
