package httpkit_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bearerd/bearerd/internal/httpkit"
)

type caller struct{ subject, token string }

func (c caller) ID() string      { return c.subject }
func (c caller) TokenID() string { return c.token }

func TestNoteTellsTheLogWhoCalls(t *testing.T) {
	t.Parallel()
	_, lines := observed(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		httpkit.Note(r, caller{"ada", "t-1"})
	}), httptest.NewRequest(http.MethodGet, "/", nil))
	if line := oneLine(t, lines); line["principal"] != "ada" || line["token_id"] != "t-1" {
		t.Errorf("the log says %v", line)
	}
}
