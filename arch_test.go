// Package bearerd_test holds what must be true of the whole tree: which package
// may import which, that each says what it is for, and that each dependency has
// its reason written down.
package bearerd_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/bearerd/bearerd"

var (
	domains = []string{
		"internal/token", "internal/keyring", "internal/access",
		"internal/identity", "internal/passhash", "internal/revocation", "internal/audit", "internal/networks", "internal/uses", "internal/fault",
	}
	// operations decide and commit; each stands on the same few packages and on none
	// of the others.
	operations = and(domains, "internal/caller", "internal/journal", "internal/quota", "internal/records", "internal/records/contract", "internal/records/op", "internal/source", "internal/verification")
	// part is a part of the store: the statements about what belongs together.
	part = and(domains, "internal/records", "internal/records/op", "internal/records/upkeep", "internal/store/column", "internal/store/engine", "internal/store/query")
	// edges translate. Each imports only the operations that it calls, and of what is kept
	// the rows alone: no edge reads a store or changes it.
	edge  = and(domains, "internal/httpkit", "internal/caller", "internal/records", "internal/verification")
	edges = []string{
		"internal/oauth", "internal/feed", "internal/gateway", "internal/adminapi", "internal/webui", "internal/scim",
		"internal/dialect/specify", "internal/dialect/senaite", "internal/dialect/hypothesis", "internal/dialect/gen3",
	}
	// room is a part of the web pages. No room imports another.
	room = and(edge, "internal/webui/kit")
	// commands of the command line call the operations as the edges do.
	commands = and(domains, "internal/adminapi", "internal/caller", "internal/cli", "internal/cli/local", "internal/hint", "internal/wiring")
	pages    = []string{
		"internal/signin", "internal/account", "internal/credentials", "internal/issuance", "internal/revoking", "internal/directory", "internal/explain", "internal/traffic", "internal/usage",
	}
)

// mayImport says which of our own packages a package may import. To add a
// package is a decision: it is made here.
var mayImport = map[string][]string{
	"internal/redact":           nil,
	"internal/fault":            {"internal/redact"},
	"internal/cache":            nil,
	"internal/ratelimit":        nil,
	"internal/traffic":          {"internal/records/contract", "internal/records/upkeep", "internal/fault"},
	"internal/secretfile":       nil,
	"internal/strictjson":       nil,
	"internal/suggest":          nil,
	"internal/hint":             nil,
	"internal/setup":            {"internal/config"},
	"internal/networks":         {"internal/fault"},
	"internal/uses":             nil,
	"internal/token":            {"internal/fault", "internal/networks", "internal/strictjson"},
	"internal/keyring":          {"internal/fault", "internal/token", "internal/strictjson"},
	"internal/access":           {"internal/fault"},
	"internal/passhash":         {"internal/fault"},
	"internal/identity":         {"internal/fault", "internal/passhash", "internal/token"}, // a new user's password and a client's secret are token.Secret
	"internal/machine":          nil,
	"internal/sleep":            nil,
	"internal/revocation":       {"internal/fault", "internal/machine", "internal/sleep"},
	"internal/audit":            {"internal/fault", "internal/redact"},
	"internal/quota":            {"internal/ratelimit", "internal/fault", "internal/audit"},
	"internal/httpkit":          {"internal/fault", "internal/networks", "internal/redact", "internal/strictjson", "internal/token"},
	"internal/config":           {"internal/fault", "internal/foreign", "internal/localaddr", "internal/suggest", "internal/token"},
	"internal/records":          domains,
	"internal/records/upkeep":   domains,
	"internal/records/op":       and(domains, "internal/records", "internal/records/upkeep"),
	"internal/records/contract": and(domains, "internal/records", "internal/records/op", "internal/records/upkeep"),
	"internal/verification":     {"internal/token", "internal/networks", "internal/uses", "internal/revocation", "internal/access", "internal/fault", "internal/cache", "internal/sleep"},
	"internal/journal":          {"internal/records/contract", "internal/records/op", "internal/revocation", "internal/audit", "internal/fault"},
	"internal/census":           {"internal/records/contract", "internal/records/upkeep", "internal/fault"},
	"internal/notice":           {"internal/audit", "internal/fault", "internal/identity", "internal/records", "internal/records/contract", "internal/records/op", "internal/records/upkeep", "internal/redact", "internal/revocation", "internal/secretfile", "internal/token"},
	"internal/mail":             {"internal/notice", "internal/secretfile", "internal/token"},
	"internal/source":           and(domains, "internal/cache", "internal/quota", "internal/records", "internal/verification"),
	"internal/caller":           and(domains, "internal/records", "internal/records/op", "internal/source", "internal/verification"),
	"internal/changes":          and(operations, "internal/assertion", "internal/remote"),
	"internal/directory":        and(operations, "internal/changes"),
	"internal/provisioning":     and(operations, "internal/changes"),
	"internal/apply":            and(operations, "internal/changes"),
	"internal/issuance":         operations,
	"internal/credentials":      and(operations, "internal/issuance"),
	"internal/authorizing":      and(operations, "internal/issuance", "internal/ratelimit"),
	"internal/revoking":         operations,
	"internal/signin":           and(operations, "internal/cache", "internal/changes"),
	"internal/clientauth":       and(operations, "internal/assertion", "internal/cache", "internal/remote"),
	"internal/account":          and(operations, "internal/changes", "internal/signin"),
	"internal/explain":          operations,
	"internal/usage":            operations,
	"internal/shadow":           {"internal/caller", "internal/fault", "internal/records", "internal/records/contract", "internal/records/upkeep", "internal/redact"},
	"internal/importing":        and(operations, "internal/networks", "internal/strictjson"),
	"internal/login":            {"internal/remote", "internal/token"},
	"internal/echo":             {"internal/fault", "internal/httpkit"},
	"internal/doctor":           {"internal/echo", "internal/keyring", "internal/store", "internal/token"},
	"internal/accessfile":       {"internal/access", "internal/apply", "internal/config", "internal/export", "internal/fault", "internal/identity", "internal/passhash", "internal/records", "internal/token"},
	"internal/export":           {"internal/access", "internal/caller", "internal/identity", "internal/records"},
	"internal/node":             and(operations, "internal/notice", "internal/account", "internal/apply", "internal/authorizing", "internal/changes", "internal/clientauth", "internal/credentials", "internal/directory", "internal/issuance", "internal/provisioning", "internal/revoking", "internal/signin", "internal/explain", "internal/trust", "internal/usage"),
	"internal/node/nodetest":    and(operations, "internal/confirming", "internal/foreign", "internal/usage", "internal/node", "internal/account", "internal/apply", "internal/authorizing", "internal/credentials", "internal/directory", "internal/provisioning", "internal/issuance", "internal/revoking", "internal/signin", "internal/explain", "internal/trust", "internal/store", "internal/store/postgres", "internal/pgtest", "internal/assertion/assertiontest"),
	"internal/store":            and(part, "internal/records/contract", "internal/store/logs", "internal/store/people", "internal/store/postgres", "internal/store/registry", "internal/store/schema", "internal/store/sqlite", "internal/store/tokens", "internal/store/upkeep"),
	"internal/store/sqlite":     and(part, "internal/store/batch", "internal/store/schema"),
	"internal/store/postgres":   and(part, "internal/store/batch", "internal/store/logs"),
	"internal/store/batch":      and(part, "internal/store/logs", "internal/store/people", "internal/store/registry", "internal/store/tokens", "internal/store/upkeep"),
	"internal/store/people":     part,
	"internal/store/registry":   and(part, "internal/store/people"),
	"internal/store/tokens":     and(part, "internal/store/people"),
	"internal/store/logs":       part,
	"internal/store/upkeep":     and(part, "internal/store/tokens"),
	"internal/store/schema":     {"internal/store/column", "internal/store/engine", "internal/store/query"},
	"internal/store/query":      {"internal/fault", "internal/records", "internal/store/engine"},
	"internal/store/column":     {"internal/networks"},
	"internal/store/engine":     {"internal/fault", "internal/records", "internal/records/op", "internal/revocation"},
	"internal/store/storekit":   {"internal/pgtest", "internal/store"},
	"internal/store/storetest":  and(domains, "internal/records", "internal/records/contract", "internal/records/op", "internal/records/upkeep"),
	"internal/freeport":         nil,
	"internal/localaddr":        nil,
	"internal/foreign":          nil,
	"internal/pgtest":           {"internal/freeport"},
	"clustertest":               {"internal/pgtest", "verify"},
	"simulation": {
		"clustertest", "internal/access", "internal/confirming", "internal/fault", "internal/feed", "internal/identity", "internal/issuerclient", "internal/journal", "internal/keyring", "internal/machine",
		"internal/records", "internal/records/op", "internal/records/upkeep", "internal/revocation", "internal/sleep", "internal/source", "internal/token", "internal/verification", "verify",
	},
	"internal/frontendtest":         nil,
	"internal/underway":             {"internal/fault", "internal/httpkit", "internal/verification"},
	"internal/gateway":              {"internal/shadow", "internal/underway", "internal/verification", "internal/httpkit", "internal/token", "internal/access", "internal/identity", "internal/uses", "internal/fault"},
	"internal/confirming":           {"internal/fault", "internal/records/contract", "internal/records/upkeep", "internal/revocation", "internal/sleep"},
	"internal/feed":                 {"internal/confirming", "internal/machine", "internal/verification", "internal/httpkit", "internal/revocation", "internal/access", "internal/identity", "internal/fault"},
	"internal/oauth":                and(edge, "internal/clientauth", "internal/signin", "internal/authorizing", "internal/issuance", "internal/revoking", "internal/quota", "internal/ratelimit", "internal/trust"),
	"internal/adminapi":             and(and(edge, pages...), "internal/provisioning", "internal/records/upkeep", "internal/shadow"),
	"internal/adminapi/openapitest": {"internal/adminapi"},
	"internal/edgetest":             {"internal/adminapi", "internal/adminapi/openapitest", "internal/audit", "internal/httpkit", "internal/node/nodetest"},
	"internal/scim":                 and(edge, "internal/signin", "internal/provisioning"),
	"internal/sso":                  {"internal/assertion", "internal/openid", "internal/httpkit", "internal/signin", "internal/records", "internal/fault", "internal/secretfile", "internal/strictjson"},
	"internal/clientdoc":            {"internal/identity", "internal/fault", "internal/ratelimit", "internal/remote", "internal/strictjson", "internal/assertion"},
	"internal/webui": and(and(edge, pages...), "internal/authorizing", "internal/clientdoc", "internal/shadow", "internal/webui/account", "internal/webui/admin",
		"internal/webui/authorize", "internal/webui/explorer", "internal/webui/kit", "internal/webui/login"),
	"internal/webui/kit":          edge,
	"internal/webui/chart":        {"internal/webui/kit"},
	"internal/webui/tokenrow":     and(edge, "internal/webui/kit"),
	"internal/webui/account":      and(room, "internal/sso", "internal/account", "internal/authorizing", "internal/credentials", "internal/signin", "internal/issuance", "internal/revoking", "internal/directory", "internal/usage", "internal/webui/tokenrow"),
	"internal/webui/admin":        and(and(room, pages...), "internal/notice", "internal/records/upkeep", "internal/shadow", "internal/webui/chart", "internal/webui/tokenrow"),
	"internal/webui/authorize":    and(room, "internal/clientdoc", "internal/signin", "internal/authorizing", "internal/issuance", "internal/directory"),
	"internal/webui/explorer":     {"internal/webui/kit"},
	"internal/webui/login":        and(room, "internal/sso", "internal/account", "internal/signin", "internal/issuance", "internal/revoking"),
	"internal/webui/webuitest":    and(edge, "internal/assertion", "internal/assertion/assertiontest", "internal/edgetest", "internal/node", "internal/node/nodetest", "internal/signin", "internal/secretfile", "internal/sso", "internal/webui", "internal/webui/login"),
	"internal/dialect/specify":    and(edge, "internal/signin", "internal/issuance", "internal/revoking", "internal/directory"),
	"internal/dialect/senaite":    and(edge, "internal/cache", "internal/signin", "internal/issuance", "internal/revoking", "internal/directory"),
	"internal/dialect/hypothesis": and(edge, "internal/signin", "internal/issuance", "internal/revoking"),
	"internal/dialect/gen3":       and(edge, "internal/signin", "internal/credentials", "internal/issuance", "internal/revoking", "internal/trust"),
	"internal/edge":               {"internal/issuerclient", "internal/audit", "internal/fault", "internal/identity", "internal/remote", "internal/revocation", "internal/sleep", "internal/token", "internal/verification"},
	"internal/verifylisten":       {"internal/gateway", "internal/httpkit", "internal/localaddr"},
	"internal/server":             and(domains, "internal/confirming", "internal/gateway", "internal/localaddr", "internal/verifylisten", "internal/shadow", "internal/httpkit", "internal/node", "internal/credentials", "internal/journal", "internal/quota", "internal/secretfile", "internal/traffic"),
	"internal/issuerclient": {
		"internal/foreign", "internal/verification", "internal/revocation", "internal/token", "internal/keyring", "internal/access", "internal/fault", "internal/cache", "internal/ratelimit",
		"internal/machine", "internal/networks", "internal/sleep", "internal/strictjson",
	},
	"verify": {"internal/issuerclient", "internal/foreign", "internal/verification", "internal/token", "internal/networks", "internal/fault"},

	"internal/remote":                  {"internal/fault", "internal/token"},
	"internal/assertion":               {"internal/fault", "internal/keyring", "internal/remote", "internal/secretfile", "internal/strictjson", "internal/token"},
	"internal/assertion/assertiontest": nil,
	"internal/openid":                  {"internal/assertion", "internal/fault", "internal/remote", "internal/secretfile", "internal/strictjson", "internal/token"},
	"internal/openid/openidtest":       {"internal/assertion/assertiontest"},
	"internal/trust":                   and(operations, "internal/assertion", "internal/issuance", "internal/remote"),

	"verify/verifytest":          {"verify", "internal/networks", "internal/token", "internal/revocation"},
	"examples/protected-service": {"verify"},
	// The outer rim: what wires, and the commands. Nothing inward imports it.
	"internal/wiring": and(and(and(edge, edges...), pages...), "internal/assertion", "internal/census", "internal/clientdoc", "internal/config", "internal/confirming", "internal/doctor", "internal/echo",
		"internal/edge", "internal/foreign", "internal/hint", "internal/localaddr", "internal/mail", "internal/node", "internal/notice", "internal/openid", "internal/passhash", "internal/remote", "internal/secretfile", "internal/server",
		"internal/shadow", "internal/sso", "internal/store", "internal/store/postgres", "internal/webui/admin", "internal/webui/kit", "internal/webui/login"),
	"internal/cli":              {"internal/config", "internal/fault", "internal/hint", "internal/redact", "internal/secretfile", "internal/sleep", "internal/suggest", "internal/token"},
	"internal/cli/terminaltest": nil,
	"internal/cli/local":        and(domains, "internal/caller", "internal/cli", "internal/config", "internal/hint", "internal/records", "internal/store", "internal/suggest", "internal/wiring"),
	"internal/cli/decision":     and(commands, "internal/explain", "internal/verification"),
	"internal/cli/manage":       and(commands, "internal/accessfile", "internal/account", "internal/apply", "internal/cli/decision", "internal/export", "internal/records", "internal/secretfile"),
	"internal/cli/tokens":       and(commands, "internal/cli/decision", "internal/explain", "internal/importing", "internal/issuance", "internal/records", "internal/revoking", "internal/suggest", "internal/verification"),
	"internal/cli/install":      and(commands, "internal/config", "internal/doctor", "internal/echo", "internal/localaddr", "internal/login", "internal/records/op", "internal/setup", "internal/store", "internal/suggest"),
	"internal/cli/remote":       {"internal/cli", "internal/hint", "internal/login", "internal/identity", "internal/secretfile", "internal/suggest"},
	"cmd/bearerd": {
		"internal/accessfile", "internal/caller", "internal/cli", "internal/cli/install", "internal/cli/local", "internal/cli/manage", "internal/cli/remote", "internal/cli/tokens",
		"internal/clientdoc", "internal/config", "internal/hint", "internal/secretfile", "internal/server", "internal/store", "internal/wiring",
	},
}

func and(list []string, more ...string) []string { return slices.Concat(list, more) }

// goPackage is one directory of Go sources, tests aside.
type goPackage struct {
	dir     string   // relative to the module, with slashes
	doc     string   // the package comment
	imports []string // of its sources, sorted
	tests   []string // of its tests, sorted
}

func TestImportsFollowTheTable(t *testing.T) {
	t.Parallel()
	for _, complaint := range complaints(readTree(t), mayImport) {
		t.Error(complaint)
	}
}

func TestTheTableIsEnforced(t *testing.T) {
	t.Parallel()
	own := func(dir string) string { return module + "/" + dir }
	got := complaints([]goPackage{
		{dir: "internal/a", doc: "Package a is good.\n", imports: []string{"fmt", own("internal/b")}},
		{dir: "internal/b", doc: "Package b imports too much.\n", imports: []string{own("internal/a"), own("internal/x")}},
		{dir: "internal/c", doc: "A comment that doesn't begin as it should.\n"},
		{dir: "internal/util", doc: "Package util is new.\n"},
		{dir: "internal/d", doc: "Package d has a curious test.\n", tests: []string{own("internal/a"), own("cmd/bearerd")}},
		{dir: "internal/onlytests", tests: []string{"testing"}},
	}, map[string][]string{"internal/a": {"internal/b"}, "internal/b": nil, "internal/c": nil, "internal/d": nil})
	want := []string{
		"internal/b must not import internal/a",
		"internal/b must not import internal/x",
		"internal/c needs a package comment",
		"internal/util is not in the table: adding a package is a decision, make it there",
		"the tests of internal/d must not import cmd/bearerd",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEveryDependencyHasItsReason(t *testing.T) {
	t.Parallel()
	required := regexp.MustCompile(`(?m)^(?:require )?\t?(\S+) v\S+(?: // indirect)?$`).FindAllStringSubmatch(read(t, "go.mod"), -1)
	used := map[string]bool{}
	for _, p := range readTree(t) {
		for _, imported := range and(p.imports, p.tests...) {
			if m := moduleOf(imported, required); m != "" {
				used[m] = true
			}
		}
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| \\S").FindAllStringSubmatch(read(t, "docs/dependencies.md"), -1) {
		documented[row[1]] = true
	}
	for m := range used {
		if !documented[m] {
			t.Errorf("docs/dependencies.md does not say why %s is used", m)
		}
	}
	if len(used) == 0 {
		t.Error("found no dependency at all")
	}
}

// moduleOf returns the required module that a package belongs to.
func moduleOf(imported string, required [][]string) string {
	for _, r := range required {
		if imported == r[1] || strings.HasPrefix(imported, r[1]+"/") {
			return r[1]
		}
	}
	return ""
}

// complaints says what is wrong with packages, judged by table.
func complaints(packages []goPackage, table map[string][]string) []string {
	var list []string
	for _, p := range packages {
		for _, imported := range ownImports(p.tests) {
			if strings.HasPrefix(imported, "cmd/") && imported != p.dir {
				list = append(list, fmt.Sprintf("the tests of %s must not import %s", p.dir, imported))
			}
		}
		if p.doc == "" && len(p.imports) == 0 && len(p.tests) > 0 {
			continue // nothing but tests
		}
		allowed, known := table[p.dir]
		if !known {
			list = append(list, p.dir+" is not in the table: adding a package is a decision, make it there")
			continue
		}
		for _, imported := range ownImports(p.imports) {
			if !slices.Contains(allowed, imported) {
				list = append(list, fmt.Sprintf("%s must not import %s", p.dir, imported))
			}
		}
		if !strings.HasPrefix(p.doc, "Package "+path.Base(p.dir)+" ") && !strings.HasPrefix(p.doc, "Command "+path.Base(p.dir)+" ") {
			list = append(list, p.dir+" needs a package comment")
		}
	}
	return list
}

// ownImports returns those of imports that are ours, relative to the module.
func ownImports(imports []string) []string {
	var own []string
	for _, i := range imports {
		if dir, ok := strings.CutPrefix(i, module+"/"); ok {
			own = append(own, dir)
		}
	}
	return own
}

// readTree parses every Go file of the module. It asks no other program: a test
// that does is cached, and goes on passing.
func readTree(t *testing.T) []goPackage {
	t.Helper()
	byDir := map[string]*goPackage{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipDir(file, d)
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		dir := filepath.ToSlash(filepath.Dir(file))
		if byDir[dir] == nil {
			byDir[dir] = &goPackage{dir: dir}
		}
		return byDir[dir].add(file)
	})
	if err != nil {
		t.Fatal(err)
	}
	if byDir["internal/fault"] == nil {
		t.Fatal("did not find internal/fault: the test runs in the wrong place")
	}
	var packages []goPackage
	for _, dir := range slices.Sorted(maps.Keys(byDir)) {
		packages = append(packages, *byDir[dir])
	}
	return packages
}

// skipDir passes over other modules, test data and hidden directories.
func skipDir(dir string, d fs.DirEntry) error {
	if dir == "." {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
		return fs.SkipDir
	}
	if d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") {
		return fs.SkipDir
	}
	return nil
}

// add notes what one file imports and says of its package.
func (p *goPackage) add(file string) error {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return err
	}
	imports := &p.imports
	if strings.HasSuffix(file, "_test.go") {
		imports = &p.tests
	} else if doc := docOf(parsed); doc != "" {
		p.doc = doc
	}
	for _, spec := range parsed.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		*imports = append(*imports, name)
	}
	slices.Sort(*imports)
	*imports = slices.Compact(*imports)
	return nil
}

func docOf(file *ast.File) string {
	if file.Doc == nil {
		return ""
	}
	return file.Doc.Text()
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// dialectWords are the names of the systems that bearerd speaks the endpoints of.
var dialectWords = regexp.MustCompile(`(?i)specify|senaite|hypothesis|gen3`)

// TestNothingInwardHasTheNameOfADialect: a dialect brings what is its own when it is
// mounted. Only the dialects, the configuration that names them, and what wires them
// know of them.
func TestNothingInwardHasTheNameOfADialect(t *testing.T) {
	t.Parallel()
	outward := []string{"cmd", "internal/dialect", "internal/wiring", "internal/config", "bench", "clustertest", "clients"}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains(outward, filepath.ToSlash(file)) || skipDir(file, d) != nil):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if name, ok := n.(*ast.Ident); ok && dialectWords.MatchString(name.Name) {
				t.Errorf("%s: %s has the name of a dialect", file, name.Name)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
