package signin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/identity"
)

// Source is a system that vouches for people, and what it may say of whom.
type Source struct {
	Name  string // its name in URLs, links and the audit log
	Title string // as people read it

	Create       bool                // a user is created for somebody who isn't linked to a user here
	LinkUsername bool                // or somebody who has exactly that username, within limits, is linked at first sight
	SetsGroups   bool                // it sets memberships of the groups that GroupsOnly admits
	GroupsOnly   []string            // patterns with * and ?
	Allow        map[string][]string // values of claims, of which a person must have one; none: everybody
	MaxAge       time.Duration       // how long ago a person may have authenticated; 0: any time
	Users        string              // the owner whose users these are; "": those linked to this source
	ExternalID   string              // the claim that is their external id for that owner

	Passwords PasswordChecker // of a source that checks passwords; nil: it doesn't
}

// PasswordChecker asks a source whether a password is right. The error is BadCredentials
// when it is not, and Unavailable when the source can't be asked.
type PasswordChecker interface {
	CheckPassword(ctx context.Context, username, password string) (Statement, error)
}

// Statement is what a source says of somebody who has authenticated there. The package
// that speaks to the source has verified that it comes from the source, is meant for
// bearerd, is recent, and hasn't been used before.
type Statement struct {
	Source     string // the name of the source
	ExternalID string // who it is for the source; never a name that can be another's later

	Username, Name, Email string // "": the source doesn't say
	Groups                []string
	Claims                map[string][]string // what else was said, by claim, each value as text

	AuthenticatedAt time.Time // zero: the source doesn't say
	SaidAt          time.Time // when the source said all this; zero: not known
	Session         string    // the source's own name for its session; "" when it has none
	Once            []Once    // what was presented, which can be used once
}

// Sources are the sources by name, in the order of the configuration.
type Sources []Source

// Find returns the source of that name; ok is false when there is none.
func (s Sources) Find(name string) (source Source, ok bool) {
	i := slices.IndexFunc(s, func(one Source) bool { return one.Name == name })
	if i < 0 {
		return Source{}, false
	}
	return s[i], true
}

// Title returns the name of a source as people read it; the name itself where no such
// source is declared.
func (s Sources) Title(name string) string {
	if one, ok := s.Find(name); ok {
		return one.Title
	}
	return name
}

// check returns what is wrong with the configuration of the sources.
func (s Sources) check() error {
	for i, one := range s {
		switch {
		case one.Name == "" || strings.Contains(one.Name, ":"):
			return errors.New("signin: a source needs a name without a colon")
		case slices.ContainsFunc(s[:i], func(other Source) bool { return other.Name == one.Name }):
			return fmt.Errorf("signin: the source %q is named twice", one.Name)
		case (one.Users == "") != (one.ExternalID == ""):
			return fmt.Errorf("signin: the source %q needs users and an external id, or neither", one.Name)
		case one.SetsGroups && len(one.GroupsOnly) == 0:
			return fmt.Errorf("signin: the source %q sets groups and names none", one.Name)
		}
	}
	return nil
}

// maySet reports whether the source may set a group, and whether it may by its full name:
// a pattern with a wildcard isn't one.
func (s Source) maySet(group string) (may, named bool) {
	named = slices.Contains(s.GroupsOnly, group) && !strings.ContainsAny(group, "*?")
	return named || identity.NewGroupPatterns(s.GroupsOnly).Match(group), named
}

// admits reports whether the source lets somebody in.
func (s Source) admits(st Statement) bool {
	for claim, values := range s.Allow {
		if slices.ContainsFunc(st.Claims[claim], func(said string) bool { return slices.Contains(values, said) }) {
			return true
		}
	}
	return len(s.Allow) == 0
}
