package main

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/pgtest"
)

// backedUp is a database that can be backed up and lost while its server is stopped.
type backedUp struct {
	*bench

	backup, restore func()
}

func onSQLite(t *testing.T, configuration string) *backedUp {
	t.Helper()
	dir := t.TempDir()
	(&bench{TB: t, dir: dir}).write("secret", "q8Zr2mVt7Lw4Xc9Pn1Js6Kd3Hf5Gb0Ya")
	b := newBench(t, dir, configuration)
	file := func(name string) string { return filepath.Join(b.dir, name) }
	return &backedUp{
		bench:  b,
		backup: func() { b.run("backup", "copy.db") },
		restore: func() {
			for _, name := range []string{"bearerd.db-wal", "bearerd.db-shm"} {
				_ = os.Remove(file(name))
			}
			if err := os.Rename(file("copy.db"), file("bearerd.db")); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func onPostgres(t *testing.T) *backedUp {
	t.Helper()
	dsn := pgtest.New(t)
	dir := t.TempDir()
	if _, err := keyring.MakeMaster(filepath.Join(dir, "master.key")); err != nil {
		t.Fatal(err)
	}
	configuration := func(dsn string) string { return "database: \"" + dsn + "\"\n" }
	b := newBench(t, dir, configuration(dsn))
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	original, copied := u.Path[1:], u.Path[1:]+"_copy"
	return &backedUp{
		bench: b,
		backup: func() {
			pgtest.Exec(t, pgtest.Server(t), `CREATE DATABASE "`+copied+`" TEMPLATE "`+original+`"`)
			t.Cleanup(func() { pgtest.Exec(t, pgtest.Server(t), `DROP DATABASE "`+copied+`" WITH (FORCE)`) })
		},
		restore: func() {
			u.Path = "/" + copied
			b.write("bearerd.yaml", configuration(u.String()))
		},
	}
}

// What was revoked after a backup is accepted again when it is restored. The log says so
// and names the command that revokes everything; after it nothing that was issued before
// is accepted, be it from before the backup or from after it.
func TestARestoredBackupSaysWhatItRevivesAndRevokeAllRevokesIt(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) *backedUp{
		"SQLite":   func(t *testing.T) *backedUp { t.Helper(); return onSQLite(t, "") },
		"Postgres": onPostgres,
		"HS256": func(t *testing.T) *backedUp {
			t.Helper()
			return onSQLite(t, "signing: {algorithm: HS256, secret_file: secret}\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			old, revoked := b.everyToken("ada"), b.run("token", "create", "ada", "--name", "revoked")
			b.backup()
			b.revoke(revoked)
			b.run("user", "create", "eve", "--no-password")
			old = slices.Concat(old, b.everyToken("eve"), b.everyToken("ada"))
			b.restore()

			p := b.serve()
			b.want(p, "revoked after the backup", revoked, 200)
			b.halt(p)
			says := regexp.MustCompile(`restored from a backup.*Revocations made between these two times are no longer in force.*bearerd migrate --restored --revoke-all.*"from":"2.*"to":"2`)
			if !says.Match(p.log.Bytes()) {
				t.Errorf("the log doesn't say what is in force again:\n%s", p.log)
			}

			b.revokeAll(name == "HS256")
			p = b.serve()
			for _, raw := range append(old, revoked) {
				b.want(p, "issued before", raw, 401)
			}
			for _, raw := range b.everyToken("ada") {
				b.want(p, "issued afterwards", raw, 200)
			}
			b.halt(p)
		})
	}
}

// everyToken returns tokens of a user that the command line issues: signed and stored.
func (b *bench) everyToken(user string) []string {
	b.Helper()
	return []string{b.run("token", "issue", user), b.run("token", "create", user, "--name", "x")}
}

func (b *bench) revoke(raw string) {
	b.Helper()
	b.write("token", raw)
	b.run("token", "revoke", "--file", "token")
}

func (b *bench) halt(p *process) {
	b.Helper()
	if err := p.stop(); err != nil {
		b.Errorf("%v\n%s", err, p.log)
	}
}

func (b *bench) want(p *process, what, raw string, status int) {
	b.Helper()
	a, err := b.verify(p, raw)
	if err != nil || a.status != status {
		b.Errorf("%s: %v, %d; want %d", what, err, a.status, status)
	}
}

// revokeAll revokes everything, and wants to be told of it.
func (b *bench) revokeAll(sharedSecret bool) {
	b.Helper()
	cmd := b.command("migrate", "--restored", "--revoke-all", "--output", "json")
	var told bytes.Buffer
	cmd.Stderr = &told
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("%v\n%s", err, &told)
	}
	var result struct {
		RevokedAll struct {
			Revoked bool
			Keys    []string
		} `json:"revoked_all"`
	}
	if err := json.Unmarshal(out, &result); err != nil || !result.RevokedAll.Revoked || (len(result.RevokedAll.Keys) == 0) != sharedSecret {
		b.Errorf("%v, %s", err, out)
	}
	for _, line := range []string{
		"the revocation log continues at a higher sequence",
		"every token, session and device code issued until now is revoked",
	} {
		if !strings.Contains(told.String(), line) {
			b.Errorf("it doesn't say %q:\n%s", line, &told)
		}
	}
	if events := b.run("audit", "--action", "revoke-all"); !strings.Contains(events, "cli") {
		b.Errorf("recorded as %s", events)
	}
}
