package wiring

import (
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/adminapi/openapitest"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/store"
)

// pages are edges that serve people, not programs: the proxied application, and
// what a browser shows.
var pages = []string{"*gateway.Proxy", "*webui.Pages", "*echo.Edge"}

// TestEveryRouteIsDescribed holds the API description of a server with everything
// on against the routes that it serves, both ways.
func TestEveryRouteIsDescribed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*config.Config){
		"everything": func(c *config.Config) { c.Dialects = slices.Sorted(slices.Values(Dialects())) },
		"no dialect": func(*config.Config) {},
		"application signs in": func(c *config.Config) {
			c.Dialects, c.Specify.Login = []config.Dialect{config.DialectSpecify}, false
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config.Default()
			c.Database = config.Database(filepath.Join(t.TempDir(), "bearerd.db"))
			change(&c)
			checkDescription(t, c)
		})
	}
}

func checkDescription(t *testing.T, c config.Config) {
	t.Helper()
	s, err := store.Open(t.Context(), c.Database.Reveal(), store.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	logger := slog.New(slog.DiscardHandler)
	i, err := assemble(t.Context(), parts{config: c, store: s, log: s, now: time.Now, logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	mounted, err := i.edges(logger)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	var document *openapitest.Document
	for _, edge := range slices.Concat(mounted.own, mounted.gateway) {
		_, described := edge.(adminapi.Described)
		if d, ok := edge.(*adminapi.Description); ok {
			document, described = openapitest.Load(t, d.JSON()), true
		}
		switch kind := fmt.Sprintf("%T", edge); {
		case described:
			edge.Register(mux)
		case !slices.Contains(pages, kind):
			t.Errorf("%s doesn't say what it serves", kind)
		}
	}
	if document == nil {
		t.Fatal("the description is not mounted")
	}
	document.CheckRoutes(mux)
}
