package adminapi

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/explain"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/verification"
)

// question asks why a token or a user is accepted or refused.
type question struct {
	Token      *string   `json:"token"`
	Audience   string    `json:"audience"`
	Scope      scopeList `json:"scope"`
	Collection *int64    `json:"collection"`
	Address    address   `json:"address"` // that the token is used from; zero: the caller's

	User   *string `json:"user"` // subject or username
	Action string  `json:"action"`
	Path   string  `json:"path"`
}

// address is an IP address; zero when none was given.
type address struct{ netip.Addr }

// UnmarshalJSON refuses a text that is not an address.
func (a *address) UnmarshalJSON(raw []byte) error {
	var text string
	if string(raw) == "null" {
		return nil
	}
	err := json.Unmarshal(raw, &text)
	if err == nil {
		a.Addr, err = netip.ParseAddr(text)
	}
	if err != nil || a.Zone() != "" {
		return fault.New(fault.Invalid, "the member \"address\" must be an IP address").In("address")
	}
	return nil
}

// check returns what is wrong with a question, and its path.
func (q question) check() (access.Path, error) {
	ofToken := q.Audience != "" || q.Scope != nil || q.Collection != nil || q.Address.IsValid()
	switch {
	case (q.Token == nil) == (q.User == nil):
		return "", fault.New(fault.Invalid, "ask about either a token or a user")
	case q.User != nil && ofToken:
		return "", fault.New(fault.Invalid, "audience, scope, collection and address are asked of a token")
	case (q.Action == "") != (q.Path == "") || q.User != nil && q.Action == "":
		return "", fault.New(fault.Invalid, "the members \"action\" and \"path\" need each other").In("path")
	case q.Action == "":
		return "", nil
	}
	if _, err := access.ParseAction(q.Action); err != nil {
		return "", err
	}
	return access.ParsePath(q.Path)
}

// explanation renders each check in order. The details behind the checks are null for
// callers who only have the token.
type explanation struct {
	Allowed  bool     `json:"allowed"`
	Checks   []Check  `json:"checks"`
	Bindings []grant  `json:"bindings"`
	Token    *claims  `json:"token"`
	Revoked  *Undoing `json:"revoked"`
	Seq      int64    `json:"seq"`
	LeaseAge float64  `json:"lease_age"` // seconds
	Fresh    bool     `json:"fresh"`
}

// Check is what one check of a token or user found. It has no ok when an earlier one
// failed.
type Check struct {
	Check  string `json:"check"`
	OK     *bool  `json:"ok"`
	Detail string `json:"detail"`
}

// claims are the claims of a token.
type claims struct {
	credential
	Subject  string     `json:"sub"`
	Username string     `json:"username"`
	Audience []string   `json:"aud"`
	IssuedAt *time.Time `json:"issued_at"`
	Chain    []string   `json:"chain"`
	Actors   []string   `json:"actors"` // who acts for the subject, the current one first
	Seq      int64      `json:"seq"`
}

// Undoing is what revoked a token.
type Undoing struct {
	What   string     `json:"what"`
	ID     string     `json:"id"`
	Seq    int64      `json:"seq"`
	At     *time.Time `json:"at"`
	By     string     `json:"by"`
	Reason string     `json:"reason"`
}

func claimsOf(t *verification.Token) *claims {
	if t == nil {
		return nil
	}
	return &claims{
		credential: credentialOf(t), Subject: t.Subject, Username: t.Username, Audience: some(t.Audience),
		IssuedAt: instant(t.IssuedAt), Chain: some(t.Chain), Actors: some(t.Actors), Seq: t.Seq,
	}
}

// UndoingOf returns what revoked a token as it is shown; nil: nothing did.
func UndoingOf(u *explain.Cause) *Undoing {
	if u == nil {
		return nil
	}
	return &Undoing{
		What: string(u.Entry.What), ID: u.Entry.ID, Seq: u.Entry.Seq, At: instant(u.At), By: u.By, Reason: u.Reason,
	}
}

// explanations are the endpoints that say why a token or a user is accepted or refused.
type explanations struct{ explainer *explain.Explainer }

func (e explanations) routes() []route {
	return []route{{"POST", "/explain", e.create, "", anybody}} // it depends on whom the body asks about
}

func (e explanations) create(w http.ResponseWriter, r *request) error {
	var q question
	if err := httpkit.DecodeJSON(w, r.Request, &q); err != nil {
		return err
	}
	if q.User != nil {
		if err := e.explainer.MayExplainUser(r.caller, *q.User); err != nil {
			return err
		}
	}
	path, err := q.check()
	if err != nil {
		return err
	}
	var x *explain.Explanation
	if q.User != nil {
		x, err = e.explainer.ExplainUser(r.Context(), r.caller, *q.User, q.Action, path)
		if fault.Is(err, fault.NotFound) { // the body names them, not the path
			err = fault.Wrap(err, fault.Invalid, "%s", fault.Message(err))
		}
	} else {
		x, err = e.explainer.ExplainToken(r.Context(), r.caller, *q.Token, verification.Requirements{
			Audience: q.Audience, Scope: q.Scope, Collection: q.Collection, Action: q.Action, Path: path,
			From: q.Address.Addr,
		})
	}
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, explanation{
		Allowed:  x.Allowed,
		Checks:   each(x.Checks, func(c verification.CheckResult) Check { return Check(c) }),
		Bindings: each(x.Grants, grantOf),
		Token:    claimsOf(x.Token), Revoked: UndoingOf(x.Revoked),
		Seq: x.Seq, LeaseAge: x.LeaseAge.Seconds(), Fresh: x.Fresh,
	})
}
