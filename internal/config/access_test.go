package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/config"
)

func TestAccessFileIsReadWithItsLines(t *testing.T) {
	t.Parallel()
	const path = "testdata/access.yaml"
	got, err := config.LoadAccess(path)
	if err != nil {
		t.Fatal(err)
	}
	at := func(line int) config.Position { return config.Position{File: path, Line: line} }
	yes := true
	text := func(s string) *string { return &s }
	want := &config.AccessFile{
		Collections: []config.Collection{{At: at(2), ID: new(int64(4)), Name: "KU Fish Voucher Collection"}},
		Roles: []config.Role{{
			At: at(4), Name: "collection-admin", Permissions: []config.Permission{{At: at(4), Action: "*", Path: "/"}},
		}},
		Users: []config.User{
			{At: at(6), Username: "spadmin", Password: config.NewSecret("test#password"), Name: text("Sp Admin"), Email: text("sp@example.org"), Groups: []string{"curators"}},
			{At: at(7), Username: "jthomas", PasswordHash: config.PasswordHash{Secret: config.NewSecret("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA")}},
			{At: at(8), Username: "0123", Password: config.NewSecret("0123"), Groups: []string{}, Disabled: &yes},
		},
		Bindings: []config.Binding{
			{At: at(13), User: "spadmin", Role: "collection-admin", Path: "/collections/4"},
			{At: at(14), Group: "curators", Permission: &config.Permission{At: at(14), Action: "access", Path: "/collections/4"}, Path: "/"},
			{At: at(15), User: "jthomas", Permission: &config.Permission{At: at(15), Action: "create", Path: "/task-tokens/FOO/100"}, Path: "/"},
		},
		Clients: []config.Client{
			{
				At: at(17), ID: "ci", Secret: config.NewSecret("at least 32 characters, such as these"),
				Grants: []string{"client_credentials"}, Scopes: []string{"read"}, Audiences: []string{},
			},
			{At: at(18), ID: "public"},
			{At: at(19), ID: "keyed", JWKS: `{"keys":[{"crv":"Ed25519","ext":true,"key_ops":["verify"],"kid":"1","kty":"OKP","x":"0123"}]}`},
			{At: at(20), ID: "quoted", JWKS: `{"keys": []}`},
			{At: at(21), ID: "away", JWKSURI: "https://away.example/jwks.json"},
		},
	}
	reveal := cmp.Comparer(func(a, b config.Secret) bool { return a.Reveal() == b.Reveal() })
	if diff := cmp.Diff(want, got, reveal); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if at(12).String() != path+":12" || (config.Position{}).String() != "" {
		t.Errorf("positions read %q and %q", at(12), config.Position{})
	}
}

func TestAnEmptyAccessFileHoldsNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing\n", "{}", "users: []\n"} {
		got, err := config.ParseAccess("a", []byte(text))
		if err != nil || len(got.Users) != 0 {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestParseAccessRefuses(t *testing.T) {
	t.Parallel()
	for _, path := range glob(t, "testdata/access/*.yaml") {
		want := wanted(t, path)
		got, err := config.LoadAccess(path)
		if err == nil || got != nil {
			t.Errorf("%s was taken", path)
			continue
		}
		if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", path, diff)
		}
		if strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: a secret is in the error", path)
		}
	}
}

func TestLoadAccessNamesAFileThatCantBeRead(t *testing.T) {
	t.Parallel()
	if _, err := config.LoadAccess("testdata/missing.yaml"); err == nil || !strings.Contains(err.Error(), "missing.yaml") {
		t.Error(err)
	}
}
