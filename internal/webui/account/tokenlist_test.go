package account_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/webui/webuitest"
)

// crowd stores tokens of ada's.
func crowd(t *testing.T, s *webuitest.Site, n int) {
	t.Helper()
	owner := s.ID(t, "ada")
	var ops []op.Op
	for i := range n {
		id := uuid.NewString()
		ops = append(ops, op.AddToken{Token: records.StoredToken{
			ID: id, Kind: token.KindAPIToken, Digest: token.Digest(id), Prefix: "bda_", Last4: fmt.Sprintf("%04d", i), Owner: owner,
			Name: fmt.Sprintf("job %03d", i), CreatedAt: s.Time().Add(time.Duration(i) * time.Second),
		}})
	}
	for some := range slices.Chunk(ops, 500) {
		_, err := s.Store.Commit(t.Context(), op.Batch{Ops: some})
		nodetest.Must(t, err)
	}
}

var (
	rowOf  = regexp.MustCompile(`<bdi>(job \d+)</bdi></a>`)
	nextOf = regexp.MustCompile(`rel="next" href="([^"]+)"`)
)

// pages follows a list to its end, and returns what each page shows.
func pages(t *testing.T, b *edgetest.Site, path string) (all [][]string) {
	t.Helper()
	for path != "" {
		a := b.Get(t, path).Is(http.StatusOK)
		var rows []string
		for _, m := range rowOf.FindAllStringSubmatch(a.Body, -1) {
			rows = append(rows, m[1])
		}
		all = append(all, rows)
		path = ""
		if m := nextOf.FindStringSubmatch(a.Body); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	return all
}

func TestTheListOfTokensPages(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	b := s.Ada(t)
	crowd(t, s, 230)
	b.Get(t, "/auth/tokens").Is(http.StatusOK, "230 tokens", "job 229").Lacks("job 000", "First page")
	for path, order := range map[string]func(i int) int{
		"/auth/tokens": func(i int) int { return 229 - i }, "/auth/tokens?sort=created": func(i int) int { return i }, "/auth/tokens?sort=name": func(i int) int { return i },
	} {
		all := pages(t, b, path)
		if len(all) != 3 || len(all[0]) != 100 || len(all[1]) != 100 || len(all[2]) != 30 {
			t.Fatalf("%s has %d pages", path, len(all))
		}
		for i, name := range slices.Concat(all...) {
			if want := fmt.Sprintf("job %03d", order(i)); name != want {
				t.Fatalf("%s: %d is %s, want %s", path, i, name, want)
			}
		}
	}
	b.Get(t, "/auth/tokens?q=JOB+00").Is(http.StatusOK, "10 tokens found", "job 009", ">Clear<").Lacks("job 010")
	b.Get(t, "/auth/tokens?q=0123").Is(http.StatusOK, "1 token found", "job 123")
	b.Get(t, "/auth/tokens?q=%25").Is(http.StatusOK, "No token matches.", `value="%"`)
	b.Get(t, "/auth/tokens?q=job_").Is(http.StatusOK, "No token matches.")
	b.Get(t, "/auth/tokens?q=%3Cb%3E%F0%9F%99%82%00%ff").Is(http.StatusOK, "No token matches.", "&lt;b&gt;🙂").Lacks("<b>")
	b.Get(t, "/auth/tokens?only=never-used&q=job").Is(http.StatusOK, "230 tokens found")
	b.Get(t, "/auth/tokens?only=7d").Is(http.StatusOK, "No token matches.")
	b.Get(t, "/auth/tokens?state=nonsense&sort=nonsense").Is(http.StatusOK, "230 tokens")
	b.Get(t, "/auth/tokens?after=nonsense").Is(http.StatusBadRequest)
	s.SignedIn(t, "eve", "battery staple").Get(t, "/auth/tokens?q=job").Is(http.StatusOK, "No token matches.")
}

// A token's page says what it is and what was done with it; somebody else's is no page.
func TestATokenHasAPage(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{Settings: webuitest.Scopes})
	s.User(t, "root", "power to root", nodetest.Admin())
	b, eve, root := s.Ada(t), s.SignedIn(t, "eve", "battery staple"), s.SignedIn(t, "root", "power to root")
	a := b.Submit(t, "/auth/tokens/new", "name", "laptop", "description", "For the <export>\r\nof lab-3", "scope", "read").Is(http.StatusCreated)
	value, page := webuitest.ShownToken(t, a), "/auth/tokens/"+webuitest.IDOf(t, b)
	b.Get(t, page).Is(http.StatusOK, "laptop", "For the &lt;export&gt;\nof lab-3", "bda_…"+value[len(value)-4:], "created", "you", page+"/regenerate", page+"/revoke").
		Lacks(value, "Whose")
	eve.Get(t, page).Is(http.StatusNotFound, "There is no such token.").Lacks("laptop")
	eve.Get(t, "/auth/tokens/nonsense").Is(http.StatusNotFound)
	s.Browser(t).Get(t, page).Is(http.StatusSeeOther)
	root.Get(t, page).Is(http.StatusOK, "Whose", ">ada</bdi>", "/revoke").Lacks("/regenerate")
	root.Submit(t, page+"/revoke").Is(http.StatusSeeOther)
	b.Get(t, page).Is(http.StatusOK, "revoked", "an administrator").Lacks("root", page+"/revoke", page+"/regenerate")
	_, err := s.RemoveUser(t.Context(), caller.Operator(), "ada")
	nodetest.Must(t, err)
	root.Get(t, page).Is(http.StatusOK, "Whose")
}

// The form says in a sentence what the token will be able to do, as it stands.
func TestTheFormSaysWhatTheTokenCanDo(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{Settings: webuitest.Scopes})
	s.Collection(t, 4, "Fish")
	s.User(t, "lis", "a third one", nodetest.May("access", "/collections/4"))
	b := s.SignedIn(t, "lis", "a third one")
	b.Get(t, "/auth/tokens/new").Is(http.StatusOK, "can act as lis, where an application asks for no scope. With scopes it can do more.")
	b.Get(t, "/auth/tokens/new?name=x&scope=read&scope=write&collection=4").
		Is(http.StatusOK, "can act as lis in the collection Fish alone, where an application asks for no scope or for read, write.")
	b.Submit(t, "/auth/tokens/new", "scope", "read").Is(http.StatusBadRequest, "no scope or for read.", "Enter a name", "No token was created")
	long := strings.Repeat("x", 1001)
	b.Submit(t, "/auth/tokens/new", "name", "n", "description", long).Is(http.StatusBadRequest, "A description has at most 1000 bytes", `id="description-error"`)
}
