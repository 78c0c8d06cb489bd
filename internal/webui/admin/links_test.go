package admin_test

import (
	"net/http"
	"testing"

	"github.com/bearerd/bearerd/internal/webui/webuitest"

	"github.com/bearerd/bearerd/internal/node/nodetest"
)

func TestAdministratorsLinkUsers(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	s.User(t, "root", "power to root", nodetest.Admin())
	admin := s.SignedIn(t, "root", "power to root")
	at := "/auth/admin/users/ada"
	admin.Submit(t, at, "do", "link", "source", "", "external_id", "7").Is(http.StatusBadRequest, `id="link-source-error"`, `value="7"`)
	admin.Submit(t, at, "do", "link", "source", "orcid", "external_id", "").Is(http.StatusBadRequest, `id="link-external_id-error"`)
	admin.Submit(t, at, "do", "link", "source", "orcid", "external_id", " 7 ").Is(http.StatusSeeOther)
	admin.Submit(t, "/auth/admin/users/eve", "do", "link", "source", "orcid", "external_id", "7").Is(http.StatusConflict, "linked already")
	admin.Get(t, at).Is(http.StatusOK, "orcid", `value="7"`)
	admin.Submit(t, at, "do", "unlink", "source", "orcid", "external_id", "7").Is(http.StatusOK, "Remove the link to 7?")
	admin.Submit(t, at, "do", "unlink", "source", "orcid", "external_id", "7", "confirm", "yes").Is(http.StatusSeeOther)
	admin.Get(t, at).Is(http.StatusOK, "No links.")
}
