package identity

import (
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
)

// Built-in scopes. No token has one of them unless it was asked for.
const (
	ScopeCredentials   = "credentials"    // create exchange keys and API tokens, and manage all of one's own
	ScopeAdmin         = "admin"          // use one's administrative bindings on the management API
	ScopeIntrospect    = "introspect"     // introspect any token
	ScopeRevocations   = "revocations"    // read the revocation log
	ScopeSCIM          = "scim"           // provision users and groups (RFC 7644)
	ScopeOfflineAccess = "offline_access" // get a refresh token
)

// scopeSource begins the scope of one source: a client that lists it reads and disables
// the users of that source. People don't have it.
const scopeSource = "source:"

const (
	maxScopeBytes     = 1024
	maxScopeNameBytes = 255
)

// BuiltinScopes lists the scopes that need no declaration.
func BuiltinScopes() []string {
	return []string{ScopeAdmin, ScopeCredentials, ScopeIntrospect, ScopeOfflineAccess, ScopeRevocations, ScopeSCIM}
}

// StrongScope reports whether a scope lets a token do more than use applications: every
// built-in one but that of refresh tokens, which add time and no right.
func StrongScope(name string) bool {
	return name != ScopeOfflineAccess && slices.Contains(BuiltinScopes(), name)
}

// SourceScope returns the scope for the users of a source.
func SourceScope(source string) string { return scopeSource + source }

// IsSourceScope reports whether a scope is built in for the users of a source.
func IsSourceScope(name string) bool { return strings.HasPrefix(name, scopeSource) }

// ValidScopeName reports whether s is a scope-token of RFC 6749 §3.3 of at most
// 255 bytes: printable ASCII without space, quotation mark and backslash.
func ValidScopeName(s string) bool {
	if s == "" || len(s) > maxScopeNameBytes {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// ParseScope reads a scope parameter of RFC 6749 §3.3 into its names, in the order given,
// each once. Several spaces between names are allowed; any other character that isn't, or
// more than 1,024 bytes, is fault.InvalidScope. The empty string has no names.
func ParseScope(s string) ([]string, error) {
	if len(s) > maxScopeBytes {
		return nil, fault.New(fault.InvalidScope, "scope is longer than %d bytes", maxScopeBytes).In("scope")
	}
	var names []string
	seen := map[string]bool{}
	for name := range strings.SplitSeq(s, " ") {
		if name == "" || seen[name] {
			continue
		}
		if !ValidScopeName(name) {
			return nil, fault.New(fault.InvalidScope, "scope has a name that RFC 6749 does not allow").In("scope")
		}
		seen[name] = true
		names = append(names, name)
	}
	return names, nil
}

// FormatScope writes names as a scope parameter.
func FormatScope(names []string) string { return strings.Join(names, " ") }

// Subset returns the names in a that b lacks, in their order; none when a is a subset.
func Subset(a, b []string) (missing []string) {
	for _, name := range a {
		if !slices.Contains(b, name) {
			missing = append(missing, name)
		}
	}
	return missing
}
