package notice

import (
	"slices"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Of returns what there is to report of a batch, without ids and times. Its operations and
// its log entries say what happened, its audit events who did it.
func Of(b op.Batch) []Fact {
	var facts []Fact
	for _, o := range b.Ops {
		switch o := o.(type) {
		case op.AddToken:
			facts = append(facts, ofToken(b, o.Token)...)
		case op.UpdateUser:
			facts = append(facts, ofUpdate(b, o)...)
		case op.KillTokens:
			facts = append(facts, ofKill(b, o)...)
		case op.RemoveUser:
			facts = append(facts, Fact{Event: UserDisabled, Subject: o.ID, Removed: true}.by(eventAbout(b, "", o.ID)))
		}
	}
	for _, e := range b.Audit {
		facts = append(facts, ofEvent(e)...)
	}
	for _, e := range b.Log {
		// Everything of a user is void. Clients, whose ids are no UUIDs, have no sessions.
		if e.What == revocation.Subject && uuid.Validate(e.ID) == nil {
			facts = append(facts, Fact{Event: SessionRevoked, Subject: e.ID, All: true}.by(eventAbout(b, "", e.ID)))
		}
	}
	return facts
}

// byHand reports whether people keep tokens of a kind, and replace them by hand.
func byHand(k token.Kind) bool { return k == token.KindAPIToken || k == token.KindExchangeKey }

// ofToken returns that a token was issued: by itself, or in place of another one. An
// imported one, with a value that its owner has had before, isn't reported.
func ofToken(b op.Batch, t records.StoredToken) []Fact {
	e := eventAbout(b, t.ID, "")
	if e.TokenID == "" && t.Replaces != "" {
		e = eventAbout(b, t.Replaces, "")
	}
	issued := e.Action == audit.TokenIssue || e.Action == audit.TokenRegenerate || e.Action == audit.TokenExchange
	if !byHand(t.Kind) || !issued {
		return nil
	}
	e.Reason = "" // of a creation it is only the kind
	return []Fact{Fact{Event: TokenCreated, Subject: t.Owner, Token: t.ID}.by(e)}
}

func ofUpdate(b op.Batch, o op.UpdateUser) []Fact {
	var facts []Fact
	event := eventAbout(b, "", o.ID)
	if o.Disabled != nil && *o.Disabled {
		facts = append(facts, Fact{Event: UserDisabled, Subject: o.ID}.by(event))
	}
	if o.NewPassword {
		f := Fact{Event: CredentialChange, Subject: o.ID, Change: "update"}
		if o.PasswordHash != nil && o.PasswordHash.Reveal() == "" {
			f.Change = "revoke"
		}
		facts = append(facts, f.by(event))
	}
	return facts
}

// ofKill returns that a session was ended, by whatever operation.
func ofKill(b op.Batch, o op.KillTokens) []Fact {
	if o.Session == "" || len(o.IDs) == 0 {
		return nil
	}
	e := eventAbout(b, o.IDs[0], "")
	if e.TokenID == "" { // it ended with something else of its user
		e = eventAbout(b, "", o.Session)
	}
	return []Fact{Fact{Event: SessionRevoked, Subject: o.Session, Session: o.IDs[0]}.by(e)}
}

// ofEvent returns what follows from an audit event alone.
func ofEvent(e audit.Event) []Fact {
	if e.Outcome != audit.OK {
		return nil
	}
	switch e.Action {
	case audit.LeakedReport:
		return []Fact{Fact{Event: TokenLeaked, Subject: e.Target, Token: e.TokenID}.by(e)}
	case audit.TokenRevoke:
		if e.Actor != e.Target && e.Reason != token.ReasonRegenerated { // else its owner replaced it
			return []Fact{Fact{Event: TokenRevoked, Subject: e.Target, Token: e.TokenID}.by(e)}
		}
	case audit.RevokeAll:
		if e.Actor != e.Target && uuid.Validate(e.Target) == nil {
			return []Fact{Fact{Event: TokenRevoked, Subject: e.Target, All: true}.by(e)}
		}
	}
	return nil
}

// eventAbout returns the audit event about a token or, without one, about a target.
func eventAbout(b op.Batch, tokenID, target string) audit.Event {
	i := slices.IndexFunc(b.Audit, func(e audit.Event) bool {
		return tokenID != "" && e.TokenID == tokenID || tokenID == "" && e.Target == target
	})
	if i < 0 {
		return audit.Event{Actor: audit.ActorSystem}
	}
	return b.Audit[i]
}

// by sets who did it, and from where.
func (f Fact) by(e audit.Event) Fact {
	f.Actor, f.RequestID, f.Address, f.Reason = e.Actor, e.RequestID, e.Address, e.Reason
	switch e.Actor {
	case f.Subject:
		f.By = ByUser
	case audit.ActorSystem, "":
		f.By = BySystem
	default:
		f.By = ByAdmin
	}
	return f
}
