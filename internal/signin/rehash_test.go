package signin_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// djangoHash is PBKDF2 with one iteration of "correct horse", as Django writes it.
const djangoHash = "pbkdf2_sha256$1$salt$xOEfG6ymEDJ8fNSD2M6IJ0r8bE5FeVaxgYMnZIVZPek="

// TestApplyingAnImportedHashAgainChangesNothing: the first login replaces an
// imported hash, and the file that still has it means the same password.
func TestApplyingAnImportedHashAgainChangesNothing(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ctx := t.Context()
	desired := apply.Desired{Users: []apply.DesiredUser{
		{NewUser: identity.NewUser{Username: "ada", PasswordHash: djangoHash}},
	}}
	if done, _, err := f.Apply(ctx, operator, desired); err != nil || len(done) != 1 {
		t.Fatalf("%v %v", done, err)
	}
	f.Login(t, "ada", "correct horse")
	if u, err := f.Directory.User(ctx, operator, "ada"); err != nil || u.PasswordHash == djangoHash {
		t.Fatalf("the login replaced no hash: %v", err)
	}
	if done, _, err := f.Apply(ctx, operator, desired); err != nil || len(done) != 0 {
		t.Errorf("applied again: %v %v", done, err)
	}

	password := identity.UserPatch{Password: new(identity.NewUser{Password: "another one"}.Password)}
	if _, err := f.UpdateUser(ctx, operator, "ada", password); err != nil {
		t.Fatal(err)
	}
	if done, _, err := f.Apply(ctx, operator, desired); err != nil || len(done) != 1 {
		t.Errorf("after a change of the password the file says something else: %v %v", done, err)
	}
}
