package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// PasswordLink is a new link with which a user sets a password, once. Its secret part is
// nowhere else.
type PasswordLink struct {
	Username  string
	Secret    token.Secret
	ExpiresAt time.Time
}

// PathPasswordLink is the page on which a user sets a password by a link.
const PathPasswordLink = "/auth/password-link" // #nosec G101 -- a path

// URL returns the address with which the user sets the password. The secret part is after
// the #: browsers don't send that, so no log has it.
func (l PasswordLink) URL(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + PathPasswordLink + "#" + l.Secret.Reveal()
}

// passwordLinkLife is how long a link to set a password is valid.
const passwordLinkLife = 24 * time.Hour

// prefixPasswordLink begins the secret part, so that people and scanners recognise one
// that they find.
const prefixPasswordLink = "bdl_"

// CreatePasswordLink creates a link with which a user, named by subject or username, sets a
// password once within a day; an earlier one ends. It is for administrators, with a fresh
// session. The error is Conflict for a user who is disabled, or whose password bearerd
// doesn't keep.
func (a *Accounts) CreatePasswordLink(ctx context.Context, c *caller.Caller, ref string) (PasswordLink, error) {
	user, err := a.cfg.Editor.AdmitSignIn(ctx, c, audit.UserPasswordLink, ref)
	if err != nil {
		return PasswordLink{}, err
	}
	if err := a.mayHavePassword(user); err != nil {
		return PasswordLink{}, err
	}
	if user.Disabled {
		return PasswordLink{}, fault.New(fault.Conflict, "the account is disabled")
	}
	link := PasswordLink{
		Username: user.Username, Secret: token.Secret(prefixPasswordLink + rand.Text()), ExpiresAt: a.cfg.Now().Add(passwordLinkLife),
	}
	_, err = a.cfg.Editor.Commit(ctx, c, changes.Change{
		Action: audit.UserPasswordLink, Target: user.ID, Name: user.Username,
		Ops: []op.Op{op.AddPasswordLink{Link: records.PasswordLink{
			Digest: digestOf(link.Secret.Reveal()), UserID: user.ID, CreatedBy: c.Actor(), CreatedAt: a.cfg.Journal.Now(), ExpiresAt: link.ExpiresAt,
		}}},
	})
	return link, err
}

func digestOf(secret string) [sha256.Size]byte { return sha256.Sum256([]byte(secret)) }

// errNoPasswordLink is the error of every link that can't be used, whatever the reason is.
var errNoPasswordLink = fault.New(fault.NotFound, "this link was used already, was replaced by a newer one, or has expired").In("link")

// UsePasswordLink sets a password by the secret part of a link, which is used up, and revokes
// everything of the user. It returns the username. The error is NotFound for a link that
// is not valid, and Invalid for a password that the rule refuses: the link then stays
// valid.
func (a *Accounts) UsePasswordLink(ctx context.Context, secret, password token.Secret) (username string, err error) {
	if err := a.cfg.Quota.LookUp(ctx); err != nil {
		return "", err
	}
	if !strings.HasPrefix(secret.Reveal(), prefixPasswordLink) {
		return "", errNoPasswordLink
	}
	digest, now := digestOf(secret.Reveal()), a.cfg.Now()
	link, err := a.cfg.Store.PasswordLink(ctx, digest)
	if fault.Is(err, fault.NotFound) {
		a.cfg.Quota.NotFound(ctx)
		return "", errNoPasswordLink
	}
	if err != nil {
		return "", err
	}
	p, err := records.ReadUser(ctx, a.cfg.Store, link.UserID, nil)
	switch {
	case fault.Is(err, fault.NotFound):
		return "", errNoPasswordLink
	case err != nil:
		return "", err
	case !now.Before(link.ExpiresAt) || p.User.Disabled || a.mayHavePassword(*p.User) != nil:
		return "", errNoPasswordLink
	}
	err = a.setPassword(ctx, ownPassword{
		user: *p.User, password: password, how: "by a link of " + link.CreatedBy,
		also: []op.Op{op.SpendPasswordLink{Digest: digest, Now: now}},
	}, revocation.WaitDefault)
	if fault.Is(err, fault.Conflict) {
		return "", errNoPasswordLink
	}
	return p.User.Username, err
}
