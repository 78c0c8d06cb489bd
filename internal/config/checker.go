package config

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/token"
)

// checker collects what is wrong with the values of a configuration, which have the
// right types. Each group of keys has a method check that reports to it.
type checker struct {
	origin   map[string]string // where a key was set
	problems []Problem
}

// fail reports a problem with the value at the key, and where that was set: at
// the key itself or at what holds it.
func (k *checker) fail(key, hint, format string, args ...any) {
	where, holder := "", key
	for holder != "" && where == "" {
		where = k.origin[holder]
		holder = holder[:max(strings.LastIndexAny(holder, ".["), 0)]
	}
	k.problems = append(k.problems, Problem{Where: where, Key: key, Message: fmt.Sprintf(format, args...), Hint: hint})
}

func (k *checker) between(key string, d, least, most time.Duration) {
	if d < least || d > most {
		k.fail(key, "", "must be from %s to %s, not %s", least, most, d)
	}
}

func (k *checker) positive(key string, d time.Duration) {
	if d <= 0 {
		k.fail(key, "", "must be longer than 0, not %s", d)
	}
}

// maxLifetime bounds lifetimes, so that sums of them can't overflow.
const maxLifetime = 100 * 365 * 24 * time.Hour

// lifetime checks how long a token is valid: tokens count in seconds.
func (k *checker) lifetime(key string, d time.Duration) {
	switch {
	case d <= 0:
		k.positive(key, d)
	case d%time.Second != 0:
		k.fail(key, "", "must be whole seconds, not %s", d)
	case d > maxLifetime:
		k.fail(key, "", "must be at most 100 years")
	}
}

// safeURL refuses what is not https, but for http on this machine.
func (k *checker) safeURL(key, text, hint string) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		k.fail(key, hint, "is needed")
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		k.fail(key, hint, "must be an https URL with a host, not %q", text)
	case u.User != nil || u.Fragment != "" || u.RawQuery != "" || strings.ContainsAny(text, "?#"):
		k.fail(key, hint, "must not have a user, query or fragment")
	case u.Scheme == "http" && !token.IsLoopback(u.Hostname()):
		k.fail(key, "write https://"+strings.TrimPrefix(text, "http://"), "must be https: http is for this machine alone")
	}
}

// scopeList checks a scope: names with one space between them.
func (k *checker) scopeList(key, list string) {
	for name := range strings.SplitSeq(list, " ") {
		if list != "" && !scopeName.MatchString(name) {
			k.fail(key, "", "must be scope names with one space between them, not %q", list)
			return
		}
	}
}

// doors checks places in which a request may carry its token.
func (k *checker) doors(key string, list []string) {
	for _, door := range list {
		if !doorForm.MatchString(door) {
			k.fail(key, "write [basic]", "must be basic, token or header:NAME, not %q", door)
		}
	}
}
