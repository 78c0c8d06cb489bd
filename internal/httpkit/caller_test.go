package httpkit_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bearerd/bearerd/internal/httpkit"
)

type caller struct{ subject, name, token string }

func (c caller) ID() string      { return c.subject }
func (c caller) Name() string    { return c.name }
func (c caller) TokenID() string { return c.token }

func TestNoteTellsTheLogWhoCalls(t *testing.T) {
	t.Parallel()
	_, lines := observed(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		httpkit.Note(r, caller{"u-1", "ada", "t-1"})
	}), httptest.NewRequest(http.MethodGet, "/", nil))
	if line := oneLine(t, lines); line["principal"] != "u-1" || line["principal_name"] != "ada" || line["token_id"] != "t-1" {
		t.Errorf("the log says %v", line)
	}
}
