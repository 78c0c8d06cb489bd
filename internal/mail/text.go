package mail

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/notice"
	"github.com/bearerd/bearerd/internal/token"
)

// letter is the content of a mail.
type letter struct{ subject, body string }

// write returns the mail about a group; ok is false when there is nothing to say.
func (s *Sender) write(group []notice.Message) (l letter, ok bool) {
	m := group[0]
	switch m.Event {
	case notice.TokenCreated:
		return s.about(m, "New "+kind(m), fmt.Sprintf("%s was created for your account%s%s.\n%s", upper(name(m)), on(m), from(m), expiry(m)),
			"If you didn't create it, revoke it at once: "+s.page()), true
	case notice.TokenNewNetwork:
		return s.about(m, upper(kind(m))+" used from a new network",
			fmt.Sprintf("%s was used%s from the network %s (address %s), from which it had not been used before.", upper(name(m)), on(m), m.Network, m.Address),
			"If that wasn't you or a program of yours, revoke it at once: "+s.page()), true
	case notice.TokenRevoked:
		what := upper(name(m)) + " was"
		if m.All {
			what = "All your tokens and sessions were"
		}
		return s.about(m, "Tokens of yours were revoked", fmt.Sprintf("%s revoked by an administrator%s.", what, on(m)),
			"What used it gets no answer any more. Your tokens are at "+s.page()), true
	case notice.TokenLeaked:
		return s.about(m, upper(kind(m))+" was found in public",
			fmt.Sprintf("%s was found where others can read it, and was revoked%s. Nobody can use it any more.", upper(name(m)), on(m)),
			"Remove it from where it was found, look for what was done with it, and create a new one: "+s.page()), true
	case notice.UserDisabled:
		return s.about(m, "Your account was disabled", "Your account was disabled"+on(m)+". Your tokens don't work any more, and you can't sign in.",
			"Ask an administrator if you didn't expect this."), true
	case notice.CredentialChange:
		what := "changed"
		if m.Change == "revoke" {
			what = "removed"
		}
		return s.about(m, "Your password was "+what, "The password of your account was "+what+on(m)+from(m)+". All sessions that were open have ended.",
			"If that wasn't you, tell an administrator at once."), true
	case notice.TokenExpiring:
		return s.expiring(group)
	}
	return letter{}, false
}

// expiring lists the tokens that expire. Those that are revoked by now are left out.
func (s *Sender) expiring(group []notice.Message) (letter, bool) {
	var lines []string
	for _, m := range group {
		if t := m.Token; t != nil && t.RevokedAt.IsZero() && s.cfg.Now().Before(t.ExpiresAt) {
			lines = append(lines, fmt.Sprintf("- %s expires on %s", name(m), stamp(t.ExpiresAt)))
		}
	}
	if len(lines) == 0 {
		return letter{}, false
	}
	subject := "A token of yours expires within a week"
	if len(lines) > 1 {
		subject = fmt.Sprintf("%d tokens of yours expire within a week", len(lines))
	}
	return s.about(group[0], subject, strings.Join(lines, "\n"),
		"What uses it stops working then. You can renew it here: "+s.page()), true
}

// about assembles a mail.
func (s *Sender) about(m notice.Message, subject, what, todo string) letter {
	who := line(cmp.Or(m.User.Name, m.User.Username))
	return letter{subject, strings.Join([]string{
		"Hello " + who + ",", what, todo,
		"Your username is " + line(m.User.Username) + " at " + s.cfg.Issuer + ". This message was sent automatically.",
	}, "\n\n") + "\n"}
}

// page returns where people revoke and renew their tokens.
func (s *Sender) page() string { return strings.TrimSuffix(s.cfg.Issuer, "/") + "/auth/tokens" }

// kind names the kind of a notice's token.
func kind(m notice.Message) string {
	switch {
	case m.Token == nil:
		return "token"
	case m.Token.Kind == token.KindAPIToken:
		return "API token"
	case m.Token.Kind == token.KindExchangeKey:
		return "API key"
	case m.Token.Kind == token.KindSession:
		return "session"
	}
	return "token"
}

// name names a notice's token, by the name that somebody typed.
func name(m notice.Message) string {
	if m.Token == nil || m.Token.Name == "" {
		return "your " + kind(m)
	}
	return fmt.Sprintf("your %s %q", kind(m), line(m.Token.Name))
}

func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

func stamp(t time.Time) string { return t.UTC().Format("2 January 2006 at 15:04 UTC") }

func on(m notice.Message) string { return " on " + stamp(m.At) }

func from(m notice.Message) string {
	if m.Address == "" {
		return ""
	}
	return ", from the address " + line(m.Address)
}

func expiry(m notice.Message) string {
	switch {
	case m.Token == nil:
		return ""
	case m.Token.ExpiresAt.IsZero():
		return "It doesn't expire."
	}
	return "It expires on " + stamp(m.Token.ExpiresAt) + "."
}
