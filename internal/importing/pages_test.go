package importing_test

import (
	"bytes"
	"database/sql" //nolint:depguard // another system's database
	"encoding/csv"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
	_ "modernc.org/sqlite"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/foreign"
	"github.com/bearerd/bearerd/internal/importing"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/pgtest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// TestThePagesMoveTokens does what each page about another system says, on a small dump of
// that system's schema: its statement makes the file, its shapes are configured, the file
// is imported, and the values that clients hold are accepted.
func TestThePagesMoveTokens(t *testing.T) {
	t.Parallel()
	first := time.Date(2026, 1, 1, 10, 0, 0, 500_000_000, time.UTC)
	for name, c := range map[string]struct {
		page, dump string
		statement  int // which one of the page
		live       map[string]string
		refused    []string
		names      []string
		created    time.Time // of one of them
	}{
		"Django REST framework": {
			page: "django-rest-framework", dump: "django-rest-framework.sqlite.sql",
			live:    map[string]string{"0123456789abcdef0123456789abcdef01234567": ""},
			refused: []string{"0123456789abcdef0123456789abcdef01234568", "0123456789abcdef0123456789abcdef01234569"},
			names:   []string{"REST framework"}, created: time.Date(2026, 1, 1, 0, 48, 3, 21921000, time.UTC),
		},
		"knox": {
			page: "knox", dump: "knox.sqlite.sql",
			live:    map[string]string{strings.Repeat("0123456789abcdef", 4): "", strings.Repeat("fedcba9876543210", 4): ""},
			refused: []string{strings.Repeat("0", 64)},
			names:   []string{"knox 0123456789abcde…", "knox fedcba98…"}, created: time.Date(2026, 1, 1, 0, 48, 3, 21921000, time.UTC),
		},
		"NetBox": {
			page: "netbox", dump: "netbox.postgres.sql",
			live: map[string]string{"0123456789abcdef0123456789abcdef01234567": "read write", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn": "read"},
			refused: []string{
				"0123456789abcdef0123456789abcdef0123456a", "0123456789abcdef0123456789abcdef0123456b", "nbt_abcdefghijkl." + strings.Repeat("x", 40),
			},
			names: []string{"NetBox 2", `ansible, "prod"`, "limited"}, created: first,
		},
		"NetBox before 4.5": {
			page: "netbox", dump: "netbox-before.postgres.sql", statement: 1,
			live:    map[string]string{"0123456789abcdef0123456789abcdef01234567": "read write"},
			refused: []string{"0123456789abcdef0123456789abcdef0123456a"},
			names:   []string{`ansible, "prod"`, "limited"}, created: first,
		},
		"Hypothesis": {
			page: "hypothesis", dump: "hypothesis.postgres.sql",
			live: map[string]string{"6879-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno-_": ""},
			refused: []string{
				"6879-000000000000000000000000000000000000000000a", "6879-000000000000000000000000000000000000000000b",
				"5768-000000000000000000000000000000000000000000c",
			},
			names: []string{"developer token"}, created: first.Add(2 * time.Hour),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			statements, declared := readPage(t, c.page)
			file := export(t, c.dump, statements[c.statement])
			f := nodetest.New(t, nodetest.Options{Foreign: declared})
			ada := f.User(t, "ada", "")
			f.User(t, "bert", "")
			nodetest.Must(t, disable(t, f, "bert"))
			i := newImporter(t, f, func(cfg *importing.Config) { cfg.Forms = formsOf(t, declared) })
			r, err := i.Import(t.Context(), caller.Operator(), importing.Request{Input: bytes.NewReader(file), Name: "tokens.csv"})
			if err != nil {
				t.Fatalf("%v\n%s", err, file)
			}
			if r.Imported < len(c.live) {
				t.Errorf("%+v", r)
			}
			for raw, scope := range c.live {
				id, err := f.Identify(t.Context(), raw, verification.Requirements{Scope: strings.Fields(scope)})
				if err != nil || id.Subject.Username != "ada" || strings.Join(id.Token.Scope, " ") != scope {
					t.Errorf("%s: %v", raw, err)
				}
			}
			for _, raw := range c.refused {
				if _, err := f.Identify(t.Context(), raw, verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
					t.Errorf("%s: %v", raw, err)
				}
			}
			var names []string
			created := false
			for _, row := range tokensOf(t, f, ada) {
				names = append(names, row.Name)
				created = created || row.CreatedAt.Equal(c.created)
			}
			if got, want := sorted(strings.Join(names, "\n")), strings.Join(c.names, "\n"); got != want {
				t.Errorf("names %q, want %q", got, want)
			}
			if !created {
				t.Errorf("none was created at %s", c.created)
			}
		})
	}
}

func formsOf(t *testing.T, declared []foreign.Shape) token.Forms {
	t.Helper()
	forms, err := token.NewForms(token.PrefixAPIToken, "6879-")
	nodetest.Must(t, err)
	var own []foreign.Own
	for _, pattern := range forms.OwnPatterns() {
		own = append(own, foreign.Own{Name: "bearerd's", Pattern: pattern})
	}
	shapes, err := foreign.New(declared, own...)
	nodetest.Must(t, err)
	return forms.WithForeign(shapes)
}

// readPage returns the statements of a page, and the shapes that it declares.
func readPage(t *testing.T, page string) (statements []string, declared []foreign.Shape) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", "coming-over-"+page+".md"))
	nodetest.Must(t, err)
	for _, block := range regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllSubmatch(text, -1) {
		statements = append(statements, string(block[1]))
	}
	block := regexp.MustCompile("(?s)```yaml\n# in bearerd.yaml\n(.*?)```").FindSubmatch(text)
	if block == nil || len(statements) == 0 {
		t.Fatalf("%s has no shapes, or no statement", page)
	}
	var parsed struct {
		Tokens []struct{ Name, Pattern, Prefix string } `yaml:"foreign_tokens"`
		Scopes map[string]string                        `yaml:"scopes"`
	}
	nodetest.Must(t, yaml.Unmarshal(block[1], &parsed))
	for _, s := range parsed.Tokens {
		declared = append(declared, foreign.Shape(s))
	}
	return statements, declared
}

// export runs a statement on a dump, with the real programs where the system has
// PostgreSQL, and returns CSV.
func export(t *testing.T, dump, statement string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", dump))
	nodetest.Must(t, err)
	if strings.Contains(dump, ".sqlite.") {
		return exportSQLite(t, string(text), statement)
	}
	dsn := pgtest.New(t)
	pgtest.Exec(t, dsn, string(text))
	cmd := exec.CommandContext(t.Context(), psql(t), "--csv", "-v", "ON_ERROR_STOP=1", "-f", "-", dsn)
	cmd.Stdin = strings.NewReader(statement)
	out, err := cmd.Output()
	if failed, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Output wraps nothing
		t.Fatalf("psql: %v: %s", err, failed.Stderr)
	}
	nodetest.Must(t, err)
	return out
}

// psql returns the path of PostgreSQL's client.
func psql(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("psql"); err == nil {
		return path
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/psql")
	if err != nil || len(found) == 0 {
		t.Fatal("there is PostgreSQL and no psql")
	}
	return found[len(found)-1]
}

// exportSQLite writes what sqlite3 -header -csv does: texts as they are stored.
func exportSQLite(t *testing.T, dump, statement string) []byte {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "db.sqlite3"))
	nodetest.Must(t, err)
	defer func() { _ = db.Close() }() // the test is over
	_, err = db.ExecContext(t.Context(), dump)
	nodetest.Must(t, err)
	rows, err := db.QueryContext(t.Context(), "SELECT * FROM ("+strings.TrimSuffix(strings.TrimSpace(asText(statement)), ";")+")")
	nodetest.Must(t, err)
	defer func() { _ = rows.Close() }() // what went wrong is in rows.Err
	columns, err := rows.Columns()
	nodetest.Must(t, err)
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	nodetest.Must(t, w.Write(columns))
	for rows.Next() {
		values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		nodetest.Must(t, rows.Scan(into...))
		row := make([]string, len(columns))
		for i, v := range values {
			row[i] = v.String
		}
		nodetest.Must(t, w.Write(row))
	}
	nodetest.Must(t, rows.Err())
	w.Flush()
	return out.Bytes()
}

// asText makes the driver return columns that it knows as times as they are stored, as
// the sqlite3 program does.
func asText(statement string) string {
	for _, column := range []string{"t.created", "t.expiry"} {
		statement = strings.Replace(statement, column+" AS", fmt.Sprintf("CAST(%s AS TEXT) AS", column), 1)
	}
	return statement
}
