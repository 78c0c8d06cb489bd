package authority_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/fault"
)

func TestANewClientSecretEndsTheOldOne(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.Client(t, "ci", "read")
	f.User(t, "ada", "correct horse")
	old, err := f.AuthenticateClient(t.Context(), "ci", authoritytest.ClientSecret)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := f.ClientCredentials(t.Context(), authority.ClientCredentials{Client: old})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.RenewClientSecret(t.Context(), session(t, f, "ada", "correct horse"), "ci"); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a user: %v", err)
	}
	if _, err := f.RenewClientSecret(t.Context(), authority.Operator(), "nobody"); !fault.Is(err, fault.NotFound) {
		t.Errorf("no client: %v", err)
	}

	secret, err := f.RenewClientSecret(t.Context(), authority.Operator(), "ci")
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.AuthenticateClient(t.Context(), "ci", secret.Reveal())
	if err != nil || len(c.Principal.Client.Scopes) != 1 {
		t.Errorf("the new secret: %+v %v", c, err)
	}
	if _, err := f.AuthenticateClient(t.Context(), "ci", authoritytest.ClientSecret); !fault.Is(err, fault.InvalidClient) {
		t.Errorf("the old secret: %v", err)
	}
	if _, err := f.Verify(t.Context(), issued.Value.Reveal(), authority.Demand{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("what was got by it: %v", err)
	}
}
