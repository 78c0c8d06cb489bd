package openid

import (
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/assertion"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/remote"
	"github.com/bearerd/bearerd/internal/strictjson"
)

// Identity is who somebody is at a provider.
type Identity struct {
	Subject  string    // sub: never given to another person there
	Session  string    // sid: the session there; empty where it isn't named
	AuthTime time.Time // when they authenticated there; zero if that isn't known
	IssuedAt time.Time // when the provider said all this

	token    *assertion.Claims
	userinfo strictjson.Object // nil: it wasn't needed
}

// Text returns a claim that is a string: that of the ID token, else that of userinfo; ""
// where neither has it. A claim of another type is an error.
func (i *Identity) Text(name string) (text string, err error) {
	if i.token.Has(name) {
		return i.token.Text(name)
	}
	err = i.userinfo.Optional(name, &text)
	return text, err
}

// List is Text for a claim that is a string or a list of strings.
func (i *Identity) List(name string) ([]string, error) {
	if i.token.Has(name) {
		return i.token.List(name)
	}
	return i.userinfo.Strings(name)
}

// Raw returns a claim's JSON text, as Text finds it; nil where neither has it.
func (i *Identity) Raw(name string) json.RawMessage {
	if i.token.Has(name) {
		return i.token.Raw(name)
	}
	return i.userinfo[name]
}

// has reports whether there is such a claim.
func (i *Identity) has(name string) bool { return i.token.Has(name) || i.userinfo[name] != nil }

// Unverified reports whether the provider says that the address in the claim email may not
// be this person's (OpenID Connect Core 1.0 §5.1). Some providers write false as a string.
func (i *Identity) Unverified() bool {
	value := i.token.Raw("email_verified")
	if value == nil {
		value = i.userinfo["email_verified"]
	}
	return string(value) == "false" || string(value) == `"false"`
}

// complete asks the userinfo endpoint for the claims that are wanted and that the ID token
// doesn't have. Without that endpoint there are no further claims.
func (p *Provider) complete(ctx context.Context, m *metadata, accessToken string, who *Identity) error {
	missing := func(name string) bool { return !who.has(name) }
	if m.userinfo != "" && slices.ContainsFunc(p.cfg.Claims, missing) {
		if err := p.askUserinfo(ctx, m, accessToken, who); err != nil {
			return err
		}
	}
	return p.checkElsewhere(who)
}

func (p *Provider) askUserinfo(ctx context.Context, m *metadata, accessToken string, who *Identity) error {
	unavailable := func(err error) error {
		return fault.Wrap(err, fault.Unavailable, "%s doesn't say who you are now", p.cfg.Name)
	}
	body, header, err := remote.Get(ctx, p.cfg.Client, m.userinfo, http.Header{"Authorization": {"Bearer " + accessToken}})
	if err != nil {
		return unavailable(err)
	}
	if kind, _, err := mime.ParseMediaType(header.Get("Content-Type")); err != nil || kind != "application/json" {
		return unavailable(fmt.Errorf("userinfo is of type %.64q, not application/json", header.Get("Content-Type")))
	}
	if who.userinfo, err = strictjson.Parse(body); err != nil {
		return unavailable(err)
	}
	// OpenID Connect Core 1.0 §5.3.2: the access token may be that of another person.
	var subject string
	if err := who.userinfo.Read("sub", &subject); err != nil || subject != who.Subject {
		return fault.Wrap(err, fault.InvalidToken, "%s says two things about who you are", p.cfg.Name)
	}
	return nil
}

// checkElsewhere refuses an answer that lacks a wanted claim and refers to another place
// for it (OpenID Connect Core 1.0 §5.6.2): a person in too many groups would lose all of
// them.
func (p *Provider) checkElsewhere(who *Identity) error {
	for _, source := range []strictjson.Object{who.token.Members(), who.userinfo} {
		var names map[string]any
		if err := source.Optional("_claim_names", &names); err != nil {
			return fault.Wrap(err, fault.InvalidToken, "%s sent claims in an unknown way", p.cfg.Name)
		}
		for _, claim := range p.cfg.Claims {
			if names[claim] != nil && !who.has(claim) {
				return fault.New(fault.InvalidToken, "%s did not send the claim %q: it was too long. An administrator can make it send fewer values", p.cfg.Name, claim)
			}
		}
	}
	return nil
}
