package export_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/export"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
)

// stored is a source of fixed content.
type stored struct {
	collections []records.Collection
	roles       []access.Role
	users       []identity.User
	bindings    []access.Binding
	clients     []identity.Client
	issuers     []records.Issuer
	err         error
}

func (s *stored) CollectionList(context.Context, *caller.Caller) ([]records.Collection, error) {
	return s.collections, s.err
}

func (s *stored) RoleList(context.Context, *caller.Caller) ([]access.Role, error) {
	return s.roles, nil
}

// UserList returns one user a page.
func (s *stored) UserList(_ context.Context, _ *caller.Caller, q records.UserQuery) (records.Page[identity.User], error) {
	i, _ := strconv.Atoi(q.After)
	if i >= len(s.users) {
		return records.Page[identity.User]{}, nil
	}
	page := records.Page[identity.User]{Items: s.users[i : i+1]}
	if i+1 < len(s.users) {
		page.Next = strconv.Itoa(i + 1)
	}
	return page, nil
}

func (s *stored) BindingList(context.Context, *caller.Caller, records.BindingQuery) ([]access.Binding, error) {
	return s.bindings, nil
}

func (s *stored) ClientList(context.Context, *caller.Caller) ([]identity.Client, error) {
	return s.clients, nil
}

func (s *stored) IssuerList(context.Context, *caller.Caller) ([]records.Issuer, error) {
	return s.issuers, nil
}

func write(t *testing.T, s *stored, o export.Options) (string, export.Summary) {
	t.Helper()
	var text bytes.Buffer
	sum, err := export.Write(t.Context(), &text, s, caller.Operator(), o)
	if err != nil {
		t.Fatal(err)
	}
	return text.String(), sum
}

// Every name that may be stored is read back as it was, however much it looks like
// something else to YAML.
func TestNamesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	names := []string{
		"123", "0x1F", "1e3", "true", "no", "null", "~", "- a", "a: b", "a #b", "#a", "{a}", "[a]", "*a", "&a", "!a", "%a", "@a", "`a`", "'a'", `"a"`,
		`\n`, "Müller", "日本", "a,b", "?", ":", "|", ">", "=", "<<", "2026-11-29", "12:30:45", "_", ".inf", strings.Repeat("long ", 40) + "name",
	}
	s := &stored{}
	for i, name := range names {
		s.collections = append(s.collections, records.Collection{ID: int64(i), Name: name})
		s.roles = append(s.roles, access.Role{Name: name, Permissions: []access.Permission{{Action: "*", Path: "/"}}})
		s.users = append(s.users, identity.User{ID: "id" + name, Username: name, Name: name, Groups: []string{name}})
		s.bindings = append(s.bindings, access.Binding{User: "id" + name, Role: name, Path: "/"})
	}
	text, sum := write(t, s, export.Options{})
	file, err := config.ParseAccess("export", []byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if sum.Users != len(names) || len(file.Bindings) != len(names) {
		t.Errorf("%d users, %d bindings, want %d of each", sum.Users, len(file.Bindings), len(names))
	}
	bound := map[string]bool{}
	for _, b := range file.Bindings {
		bound[b.User] = b.User == b.Role
	}
	for i, name := range names {
		if *file.Collections[i].ID != int64(i) || file.Collections[i].Name != name || file.Roles[i].Name != name || !bound[name] {
			t.Errorf("%q became the collection %q and the role %q; bound: %t", name, file.Collections[i].Name, file.Roles[i].Name, bound[name])
		}
		u := file.Users[i]
		if u.Username != name || *u.Name != name || len(u.Groups) != 1 || u.Groups[0] != name {
			t.Errorf("%q became the user %q, %q, %q", name, u.Username, *u.Name, u.Groups)
		}
	}
}

func TestSecretsAreWrittenWhenAskedForAlone(t *testing.T) {
	t.Parallel()
	digest := bytes.Repeat([]byte{0xab}, 32)
	s := &stored{
		users: []identity.User{
			{ID: "1", Username: "ada", PasswordHash: "$argon2id$the-hash"},
			{ID: "2", Username: "bob", Disabled: true, Owner: "django"},
		},
		clients: []identity.Client{
			{ID: "ci", SecretDigest: digest},
			{ID: "phone"},
			{ID: "robot", Keys: identity.ClientKeys{URI: "https://robot.example.org/keys"}},
			{ID: "signs", Keys: identity.ClientKeys{JWKS: `{"keys":[{"kty":"OKP"}]}`}},
		},
	}
	text, sum := write(t, s, export.Options{})
	if strings.Contains(text, "the-hash") || strings.Contains(text, "abab") || strings.Contains(text, "redacted") {
		t.Errorf("it has secrets:\n%s", text)
	}
	if diff := cmp.Diff([]string{"ci"}, sum.Without); diff != "" {
		t.Errorf("clients without their secret (-want +got):\n%s", diff)
	}
	const want = `users:
  - {username: ada}
  # of the source "django"
  - {username: bob, disabled: true}
clients:
  # has a secret, which is not in this file
  - {id: ci}
  - {id: phone}
  - {id: robot, jwks_uri: 'https://robot.example.org/keys'}
  - {id: signs, jwks: '{"keys":[{"kty":"OKP"}]}'}
`
	if diff := cmp.Diff(want, text); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	text, sum = write(t, s, export.Options{Hashes: true})
	file, err := config.ParseAccess("export", []byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if file.Users[0].PasswordHash.Reveal() != "$argon2id$the-hash" || !file.Users[1].PasswordHash.IsThere() || file.Users[1].PasswordHash.IsSet() {
		t.Errorf("the hashes are not the stored ones:\n%s", text)
	}
	if got := file.Clients[0].SecretHash.Reveal(); got != "sha256:"+strings.Repeat("ab", 32) || file.Clients[1].SecretHash.IsSet() || len(sum.Without) > 0 {
		t.Errorf("the digests are not the stored ones:\n%s", text)
	}
}

func TestIssuersKeepTheTypesOfTheirClaims(t *testing.T) {
	t.Parallel()
	s := &stored{issuers: []records.Issuer{{
		Name: "github", Issuer: "https://token.actions.githubusercontent.com", Once: true, MaxAge: time.Hour,
		Rules: []records.IssuerRule{{
			Name: "release", Client: "ci", Scope: []string{"read", "write"}, TTL: 5 * time.Minute,
			Match: map[string]json.RawMessage{"id": json.RawMessage(`"42"`), "number": json.RawMessage(`42`), "protected": json.RawMessage(`true`), "word": json.RawMessage(`"true"`)},
		}},
	}}}
	text, _ := write(t, s, export.Options{})
	file, err := config.ParseAccess("export", []byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	rule := file.Issuers[0].Rules[0]
	got := map[string]json.RawMessage{}
	for name, value := range rule.Match {
		got[name] = value.JSON
	}
	if diff := cmp.Diff(s.issuers[0].Rules[0].Match, got); diff != "" || rule.Scope != "read write" || rule.TTL != 5*time.Minute || !*file.Issuers[0].Once {
		t.Errorf("(-want +got):\n%s\n%s", diff, text)
	}
}

func TestAnEmptyStoreIsAnEmptyFile(t *testing.T) {
	t.Parallel()
	text, _ := write(t, &stored{}, export.Options{})
	if file, err := config.ParseAccess("export", []byte(text)); err != nil || len(file.Users) > 0 {
		t.Errorf("%q: %v", text, err)
	}
}

func TestNothingIsWrittenWhenReadingFails(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	gone := errors.New("gone")
	if _, err := export.Write(t.Context(), &text, &stored{err: gone}, caller.Operator(), export.Options{}); !errors.Is(err, gone) || text.Len() > 0 {
		t.Errorf("%v, after %d bytes", err, text.Len())
	}
}
