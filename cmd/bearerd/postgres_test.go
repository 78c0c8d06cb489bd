package main

import (
	"net/url"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/pgtest"
)

// TestScriptsOnPostgres runs the scripts in which no file is a database once more,
// and those of PostgreSQL, each on a database of its own.
func TestScriptsOnPostgres(t *testing.T) {
	t.Parallel()
	p := scriptParams()
	for _, name := range []string{
		"audit", "client", "completion", "keys", "revoke-all", "role", "token-explain", "token-inspect", "token-issue", "token-list", "token-revoke",
		"user", "user-access", "user-unlock", "webhook",
	} {
		p.Files = append(p.Files, filepath.Join("testdata", "script", name+".txtar"))
	}
	more, err := filepath.Glob(filepath.Join("testdata", "postgres", "*.txtar"))
	if err != nil || len(more) == 0 {
		t.Fatalf("%d scripts of PostgreSQL, %v", len(more), err)
	}
	p.Files = append(p.Files, more...)
	pgtest.Server(t) // the scripts run beside this test, which they can't end
	setup := p.Setup
	p.Setup = func(e *testscript.Env) error {
		dsn := pgtest.New(t)
		u, err := url.Parse(dsn)
		if err != nil {
			return err
		}
		e.Setenv("BEARERD_DATABASE", dsn)
		e.Setenv("PGHOST", u.Host)
		e.Setenv("PGNAME", u.Path[1:])
		if _, err := keyring.MakeMaster(filepath.Join(e.WorkDir, "master.key")); err != nil {
			return err
		}
		return setup(e)
	}
	testscript.Run(t, p)
}
