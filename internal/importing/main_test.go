package importing_test

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/foreign"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/importing"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
)

var shapes = []foreign.Shape{
	{Name: "hex", Pattern: "[0-9a-f]{40}"},
	{Name: "knox", Pattern: "[0-9a-f]{64}"},
	{Name: "nb", Prefix: "nbt_"},
	{Name: "md5", Pattern: "[0-9a-f]{32}"},
	{Name: "uuid", Pattern: "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"},
}

// newImporter returns an importer of the fixture's database.
func newImporter(tb testing.TB, f *nodetest.Fixture, change ...func(*importing.Config)) *importing.Importer {
	tb.Helper()
	forms, err := token.NewForms(token.PrefixAPIToken)
	nodetest.Must(tb, err)
	compiled, err := foreign.New(shapes)
	nodetest.Must(tb, err)
	cfg := importing.Config{Store: f.Store, Journal: f.Journal, Forms: forms.WithForeign(compiled), Now: f.Time}
	for _, c := range change {
		c(&cfg)
	}
	i, err := importing.New(cfg)
	nodetest.Must(tb, err)
	return i
}

// hexValue returns the value of a token as Django REST framework makes them.
func hexValue(n int) string {
	sum := sha256.Sum256([]byte(strconv.Itoa(n)))
	return hex.EncodeToString(sum[:20])
}

// apiToken is a request for an API token.
func apiToken(name string) *issuance.Request {
	return &issuance.Request{Kind: token.KindAPIToken, Name: name}
}

// sorted returns the lines in order.
func sorted(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// disable disables a user.
func disable(t *testing.T, f *nodetest.Fixture, username string) error {
	t.Helper()
	_, err := f.UpdateUser(t.Context(), caller.Operator(), username, identity.UserPatch{Disabled: new(true)})
	return err
}
