package doctor_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/doctor"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/token"
)

// found returns the check of that name; the zero Check when there is none.
func found(r doctor.Report, name string) doctor.Check {
	for _, c := range r {
		if c.Name == name {
			return c
		}
	}
	return doctor.Check{}
}

// want checks the outcome of a check and what it says. What isn't good has advice.
func want(t *testing.T, r doctor.Report, name string, state doctor.State, detail string) {
	t.Helper()
	c := found(r, name)
	if c.State != state || !strings.Contains(c.Detail, detail) {
		t.Errorf("%s is %q: %q; want %q: %q", name, c.State, c.Detail, state, detail)
	}
	if (c.State == doctor.Failed || c.State == doctor.Warning) != (c.Advice != "") {
		t.Errorf("%s is %q, with the advice %q", name, c.State, c.Advice)
	}
}

func sqlite(change func(*store.Inspection)) doctor.Report {
	in := &store.Inspection{Engine: "SQLite 3", SQLite: &store.SQLiteFacts{Path: "/x/bearerd.db", Mode: 0o600, JournalMode: "wal", Synchronous: "full"}}
	change(in)
	var r doctor.Report
	r.Database(in, "/x/bearerd.db")
	return r
}

func TestSQLiteFiles(t *testing.T) {
	t.Parallel()
	good := sqlite(func(*store.Inspection) {})
	if good.Count(doctor.OK) != len(good) {
		t.Errorf("a good one: %v", good)
	}
	for _, c := range []struct {
		change func(*store.Inspection)
		name   string
		state  doctor.State
		detail string
	}{
		{func(in *store.Inspection) { in.SQLite.Mode = 0o640 }, "database file", doctor.Failed, "0640"},
		{func(in *store.Inspection) { in.SQLite.JournalMode = "delete" }, "database settings", doctor.Warning, "journal_mode is delete"},
		{func(in *store.Inspection) { in.SQLite.Synchronous = "normal" }, "database settings", doctor.Failed, "synchronous is normal"},
		{func(in *store.Inspection) { in.New, in.Pending = true, []string{"0001_initial"} }, "schema", doctor.Warning, "none yet"},
		{func(in *store.Inspection) { in.Pending = []string{"0009_x", "0010_y"} }, "schema", doctor.Warning, "2 migrations"},
		{func(in *store.Inspection) { in.Moved = true }, "restored", doctor.Warning, "restored from a backup"},
	} {
		want(t, sqlite(c.change), c.name, c.state, c.detail)
	}
}

func postgres(change func(*store.PostgresFacts), database string) doctor.Report {
	f := &store.PostgresFacts{SynchronousCommit: "on", Fsync: true, FullPageWrites: true, Role: "bearerd", MayCreate: true}
	change(f)
	var r doctor.Report
	r.Database(&store.Inspection{Engine: "PostgreSQL 17", Postgres: f}, database)
	return r
}

func TestPostgresServers(t *testing.T) {
	t.Parallel()
	const here = "postgres://bearerd@localhost/bearerd"
	good := postgres(func(*store.PostgresFacts) {}, here)
	if good.Count(doctor.OK) != len(good) {
		t.Errorf("a good one: %v", good)
	}
	for _, c := range []struct {
		change   func(*store.PostgresFacts)
		database string
		name     string
		state    doctor.State
		detail   string
	}{
		{func(f *store.PostgresFacts) { f.SynchronousCommit = "off" }, here, "database settings", doctor.Failed, "synchronous_commit is off"},
		{func(f *store.PostgresFacts) { f.SynchronousCommit = "local" }, here, "database settings", doctor.Failed, "synchronous_commit is local"},
		{func(f *store.PostgresFacts) { f.SynchronousCommit = "remote_apply" }, here, "database settings", doctor.OK, "remote_apply"},
		{func(f *store.PostgresFacts) { f.Fsync = false }, here, "database settings", doctor.Failed, "fsync is off"},
		{func(f *store.PostgresFacts) { f.FullPageWrites = false }, here, "database settings", doctor.Failed, "full_page_writes is off"},
		{func(f *store.PostgresFacts) { f.Standbys = 2 }, here, "replication", doctor.Warning, "2 asynchronous standbys"},
		{func(f *store.PostgresFacts) { f.SynchronousNames = "s1" }, here, "replication", doctor.Failed, "commits wait"},
		{func(f *store.PostgresFacts) { f.SynchronousNames, f.Standbys = "s1", 1 }, here, "replication", doctor.OK, "synchronous: s1"},
		{func(f *store.PostgresFacts) { f.MayCreate = false }, here, "database role", doctor.Warning, "may not create tables"},
		{func(*store.PostgresFacts) {}, "postgres://bearerd:hunter2@db.example.org/bearerd", "database connection", doctor.Warning, "to db.example.org"},
		{func(f *store.PostgresFacts) { f.Encrypted = true }, "postgres://db.example.org/bearerd", "database connection", "", ""},
	} {
		r := postgres(c.change, c.database)
		want(t, r, c.name, c.state, c.detail)
		for _, one := range r {
			if strings.Contains(one.Detail+one.Advice, "hunter2") {
				t.Errorf("a password is in %v", one)
			}
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	key := func(state keyring.State, algorithm token.Algorithm) keyring.Key {
		return keyring.Key{KID: "kid", State: state, Algorithm: algorithm, ActiveAt: now}
	}
	for name, c := range map[string]struct {
		keys      []keyring.Key
		algorithm token.Algorithm
		state     doctor.State
		detail    string
	}{
		"none":              {nil, token.EdDSA, doctor.Warning, "none yet"},
		"a shared secret":   {nil, token.HS256, doctor.OK, "HS256"},
		"none active":       {[]keyring.Key{key(keyring.Next, token.EdDSA)}, token.EdDSA, doctor.Failed, "none is active"},
		"another algorithm": {[]keyring.Key{key(keyring.Active, token.EdDSA)}, token.RS256, doctor.Warning, "signs with EdDSA, and signing.algorithm is RS256"},
		"good":              {[]keyring.Key{key(keyring.Retired, token.RS256), key(keyring.Active, token.EdDSA), key(keyring.Next, token.EdDSA)}, token.EdDSA, doctor.OK, "1 next, 1 retired"},
	} {
		t.Log(name)
		var r doctor.Report
		r.Keys(c.keys, c.algorithm)
		want(t, r, "signing keys", c.state, c.detail)
	}
}

func TestClocks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		off, errorOf time.Duration
		state        doctor.State
		detail       string
	}{
		{0, 0, doctor.OK, "within 0s"},
		{-1500 * time.Millisecond, 0, doctor.OK, "within 1.5s"},
		{3 * time.Second, 0, doctor.Warning, "3s ahead of the database's"},
		{-3 * time.Second, 0, doctor.Warning, "3s behind the database's"},
		{3 * time.Second, 2 * time.Second, doctor.OK, "within 5s"},
		{2 * time.Minute, time.Second, doctor.Failed, "2m0s ahead of the database's"},
	} {
		var r doctor.Report
		r.Clock("clock and the database's", now.Add(c.off), now, c.errorOf)
		want(t, r, "clock and the database's", c.state, c.detail)
	}
}

var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
