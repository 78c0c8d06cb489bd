package store_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/pgtest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// earlier returns the statements that make the schema of the version before usernames
// were folded, with users of it.
func earlier(t *testing.T, engine string, usernames ...string) []string {
	t.Helper()
	files, err := filepath.Glob("schema/migrations/" + engine + "/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	statements := []string{`CREATE TABLE migrations (name TEXT NOT NULL PRIMARY KEY, at BIGINT NOT NULL)`}
	if engine == "sqlite" {
		statements = []string{`CREATE TABLE migrations (name TEXT NOT NULL PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID`}
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".sql")
		if name >= "0006" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		statements = append(statements, string(text), `INSERT INTO migrations (name, at) VALUES ('`+name+`', 1)`)
	}
	for _, name := range usernames {
		statements = append(statements, insertOld(name))
	}
	return statements
}

// insertOld is how a version before this one creates a user.
func insertOld(username string) string {
	return `INSERT INTO users (id, username, name, email, disabled, password_hash, search) VALUES ('id-` + username + `', '` + username + `', '', '', 0, '', '')`
}

// onBothEngines runs a test on a database of each engine; exec runs statements beside the
// stores that open opens.
func onBothEngines(t *testing.T, test func(t *testing.T, engine string, exec func(...string), open func(*slog.Logger) *store.Store)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "bearerd.db")
		test(t, "sqlite", func(s ...string) { storekit.ExecAll(t, path, s...) }, func(l *slog.Logger) *store.Store {
			return storekit.Open(t, path, store.Options{Now: time.Now, Logger: l})
		})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		dsn := pgtest.New(t)
		test(t, "postgres", func(s ...string) {
			c := storekit.RawPostgres(t, dsn, nil)
			for _, text := range s {
				storekit.MustExec(t, c, text)
			}
		}, func(l *slog.Logger) *store.Store {
			return storekit.Open(t, dsn, store.Options{Now: time.Now, Logger: l})
		})
	})
}

func find(t *testing.T, s *store.Store, username string) string {
	t.Helper()
	p, err := s.Principal(t.Context(), records.Who{Username: username})
	if fault.Is(err, fault.NotFound) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return p.User.ID
}

func wantFound(t *testing.T, s *store.Store, when string, want map[string]string) {
	t.Helper()
	for name, id := range want {
		if got := find(t, s, name); got != id {
			t.Errorf("%s, %q is %q, want %q", when, name, got, id)
		}
	}
}

// The migration folds every name and loses nobody. Users whose names were different ones
// for the version before, and are one name now, are found by their exact spelling and by
// no other, and the log names them; when all but one have other names, that one is found
// by every spelling again.
func TestMigratingUsernamesLosesAndMergesNobody(t *testing.T) {
	t.Parallel()
	onBothEngines(t, func(t *testing.T, engine string, exec func(...string), open func(*slog.Logger) *store.Store) {
		exec(earlier(t, engine, "Grace", "ada", "Ada", "ADA", "zo\u00eb", "zoe\u0308", "stra\u00dfe", "strasse", "a\u200bb", "\u00c5sa", "ab")...)
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, nil))
		s := open(logger)
		wantFound(t, s, "after the migration", map[string]string{
			"Grace": "id-Grace", "GRACE ": "id-Grace", "\u00e5SA": "id-\u00c5sa", // nobody else's
			"ada": "id-ada", "Ada": "id-Ada", "ADA": "id-ADA", "aDa": "", " ada": "id-ada",
			"zo\u00eb": "id-zo\u00eb", "zoe\u0308": "id-zoe\u0308", "ZO\u00cb": "",
			"stra\u00dfe": "id-stra\u00dfe", "strasse": "id-strasse", "Strasse": "",
			"a\u200bb": "id-a\u200bb", "ab": "id-ab", "AB": "",
		})
		for _, names := range []string{"[ADA Ada ada]", "[strasse", "[ab"} {
			if !strings.Contains(log.String(), names) {
				t.Errorf("the log doesn't name %s:\n%s", names, log.String())
			}
		}
		for _, name := range []string{"aDa", "Ab"} {
			_, err := s.Commit(t.Context(), op.Batch{Ops: []op.Op{op.CreateUser{User: identity.User{ID: "new", Username: name}}}})
			if !fault.Is(err, fault.Conflict) {
				t.Errorf("another %q: %v", name, err)
			}
		}
		var ops []op.Op
		for old, name := range map[string]string{"id-Ada": "ada.two", "id-ADA": "ada.three"} {
			ops = append(ops, op.UpdateUser{ID: old, Username: &name})
		}
		if _, err := s.Commit(t.Context(), op.Batch{Ops: ops}); err != nil {
			t.Fatal(err)
		}
		log.Reset()
		again := open(logger)
		wantFound(t, again, "after the renames", map[string]string{"ada": "id-ada", "ADA": "id-ada", "ada.TWO": "id-Ada", "Ada.Three": "id-ADA", "AB": ""})
		if strings.Contains(log.String(), "ada") || !strings.Contains(log.String(), "strasse") {
			t.Errorf("the log after the renames:\n%s", log.String())
		}
	})
}

// A version before this one may run beside it: whom it creates is found by the exact
// spelling at once, and by every spelling after the next start.
func TestUsersOfTheVersionBeforeAreFound(t *testing.T) {
	t.Parallel()
	onBothEngines(t, func(t *testing.T, _ string, exec func(...string), open func(*slog.Logger) *store.Store) {
		s := open(nil)
		ada := identity.User{ID: "id-ada", Username: "ada"}
		if _, err := s.Commit(t.Context(), op.Batch{Ops: []op.Op{op.CreateUser{User: ada}}}); err != nil {
			t.Fatal(err)
		}
		exec(insertOld("Grace"), insertOld("Zo\u00eb"), insertOld("ADA"))
		wantFound(t, s, "at once", map[string]string{"Grace": "id-Grace", "Zo\u00eb": "id-Zo\u00eb", "ADA": "id-ADA", "ada": "id-ada", "Ada": "id-ada"})
		wantFound(t, open(nil), "after the next start", map[string]string{
			"GRACE": "id-Grace", "zo\u00eb": "id-Zo\u00eb", "ADA": "id-ADA", "ada": "id-ada", "Ada": "",
		})
	})
}

// Two nodes that create the same name at once create one user.
func TestOneOfTwoSpellingsWins(t *testing.T) {
	t.Parallel()
	_, nodes := storekit.OnPostgres(t, 2, store.Options{})
	var errs [2]error
	done := make(chan struct{})
	for i, name := range []string{"Ada", "ADA"} {
		go func() {
			_, errs[i] = nodes[i].Commit(t.Context(), op.Batch{Ops: []op.Op{op.CreateUser{User: identity.User{ID: name, Username: name}}}})
			done <- struct{}{}
		}()
	}
	<-done
	<-done
	if slices.IndexFunc(errs[:], func(err error) bool { return err == nil }) < 0 ||
		slices.IndexFunc(errs[:], func(err error) bool { return fault.Is(err, fault.Conflict) }) < 0 {
		t.Errorf("%v", errs)
	}
}
