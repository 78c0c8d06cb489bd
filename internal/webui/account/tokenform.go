package account

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/networks"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/webui/kit"
	"github.com/bearerd/bearerd/internal/webui/tokenrow"
)

// tokenForm is the form for a new API token, as it is shown and as it comes back.
type tokenForm struct {
	Username    string // whose token it will be
	Name        kit.Field
	Description kit.Field
	Scopes      []kit.ScopeChoice
	AnyScope    bool   // nothing is declared: any name may be typed
	OtherScope  string // what was typed
	ScopeError  string
	Collections []records.Collection
	Further     bool // there are more: an id is typed
	Collection  kit.Field
	Networks    kit.Field
	Expiry      expiry
	Failed      bool
}

// newTokenForm offers what the caller may ask for.
func (p *tokenPages) newTokenForm(r *kit.Request) (tokenForm, error) {
	open, more, err := p.Directory.CollectionsOpenTo(r.Context(), r.Caller)
	policy := p.Policy
	// The operator's scopes first, then the built-in ones. What the caller can't have is left
	// out.
	all := p.Issuance.DeclaredScopes()
	for name, text := range watching {
		if all[name] == "" {
			all[name] = text
		}
	}
	var list, strong []kit.ScopeChoice
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := kit.ScopeChoice{Name: name, Text: all[name], Strong: slices.Contains(identity.BuiltinScopes(), name)}
		switch {
		case !mayHave(r.Caller, name):
		case s.Strong:
			strong = append(strong, s)
		default:
			list = append(list, s)
		}
	}
	return tokenForm{
		Username: r.Caller.Subject.Username, Scopes: slices.Concat(list, strong), AnyScope: len(policy.Scopes) == 0, Collections: open, Further: more,
		Expiry: newExpiry(p.Now(), policy.APITokenMax),
	}, err
}

// watching describes the built-in scopes for programs that watch over tokens.
var watching = map[string]string{
	identity.ScopeIntrospect:  "check whether any user's token is valid",
	identity.ScopeRevocations: "follow revocations",
	identity.ScopeSCIM:        "provision users and groups (SCIM)",
}

// mayHave reports whether a token of the caller may have a scope.
func mayHave(c *caller.Caller, name string) bool {
	switch _, watches := watching[name]; {
	case watches:
		return c.Subject.May(name, caller.PathOfScope(name)).Allowed
	case name == identity.ScopeAdmin:
		return c.Subject.May(access.Any, access.Root).Allowed
	}
	return true
}

// read keeps what was typed and returns what the form asks for. It puts each error
// beside its field, and reports whether there was none.
func (f *tokenForm) read(form url.Values) (n credentials.NewCredential, ok bool) {
	f.Name.Value = strings.TrimSpace(form.Get("name"))
	n.Name = f.Name.Value
	switch {
	case n.Name == "":
		f.Name.Error = "Enter a name that says what the token is for."
	case credentials.ValidateTokenName(n.Name) != nil:
		f.Name.Error = kit.Sentence(fault.Message(credentials.ValidateTokenName(n.Name)))
	}
	f.Description.Value = strings.TrimSpace(strings.ReplaceAll(form.Get("description"), "\r\n", "\n"))
	n.Description = f.Description.Value
	if err := records.ValidateDescription(n.Description); err != nil {
		f.Description.Error = kit.Sentence(fault.Message(err))
	}
	// The scopes that were ticked and those that were typed: all are values of one
	// parameter.
	var typed []string
	for _, value := range form["scope"] {
		i := slices.IndexFunc(f.Scopes, func(s kit.ScopeChoice) bool { return s.Name == value })
		if i < 0 {
			typed = append(typed, value)
			continue
		}
		f.Scopes[i].Chosen = true
	}
	f.OtherScope = strings.Join(typed, " ")
	var err error
	if n.Scope, err = identity.ParseScope(strings.Join(form["scope"], " ")); err != nil {
		f.ScopeError = kit.Sentence(fault.Message(err))
	}
	n.Collection = f.readCollection(form.Get("collection"))
	f.Networks.Value = strings.TrimSpace(form.Get("networks"))
	if typed := splitNetworks(f.Networks.Value); typed != nil {
		if n.Networks, err = networks.Parse(typed); err != nil {
			f.Networks.Error = kit.Sentence(fault.Message(err))
		}
	}
	n.Lifetime = f.Expiry.read(form)
	f.Failed = f.Name.Error+f.Description.Error+f.ScopeError+f.Collection.Error+f.Networks.Error+f.Expiry.Error != ""
	return n, !f.Failed
}

// splitNetworks returns the networks that were typed, with spaces, commas or lines between
// them; nil for none.
func splitNetworks(typed string) []string {
	if list := strings.FieldsFunc(typed, func(c rune) bool { return c == ',' || c == ';' || unicode.IsSpace(c) }); len(list) > 0 {
		return list
	}
	return nil
}

func (f *tokenForm) readCollection(value string) *int64 {
	f.Collection.Value = value
	if value == "" {
		return nil
	}
	id, err := access.ParseCollection(value)
	if err != nil || !f.Further && !slices.ContainsFunc(f.Collections, func(c records.Collection) bool { return c.ID == id }) {
		f.Collection.Error = "Choose a collection that you have access to."
	}
	return &id
}

// unjudged shows what was typed without its errors, because nothing was submitted.
func (f *tokenForm) unjudged() {
	f.Name.Error, f.Description.Error, f.ScopeError, f.Collection.Error, f.Networks.Error, f.Expiry.Error, f.Failed = "", "", "", "", "", "", false
}

// refused puts an error beside the field that it names. It returns false for an error
// that names none.
func (f *tokenForm) refused(err error) bool {
	message := kit.Sentence(fault.Message(err))
	switch fault.FieldOf(err) {
	case "name":
		f.Name.Error = message
	case "description":
		f.Description.Error = message
	case "scope":
		f.ScopeError = message
	case "collection":
		f.Collection.Error = message
	case "networks":
		f.Networks.Error = message
	case "expires_in":
		f.Expiry.Error = message
	default:
		return false
	}
	f.Failed = true
	return true
}

// newPage answers with the form for a new token.
func (p *tokenPages) newPage(w http.ResponseWriter, r *kit.Request) error {
	f, err := p.newTokenForm(r)
	if err != nil {
		return err
	}
	if q := r.URL.Query(); q.Has("name") { // back from signing in again
		f.read(q)
		f.unjudged()
	}
	return p.renderNew(w, r, http.StatusOK, f)
}

func (p *tokenPages) renderNew(w http.ResponseWriter, r *kit.Request, status int, f tokenForm) error {
	return p.Render(w, r, status, "newtoken", "New token", f)
}

// Sentence describes what the token will be able to do, as the form is filled in.
func (f tokenForm) Sentence() string {
	text := "Anyone who has the token can act as " + f.Username
	if i := slices.IndexFunc(f.Collections, func(c records.Collection) bool { return strconv.FormatInt(c.ID, 10) == f.Collection.Value }); i >= 0 {
		text += " in the collection " + f.Collections[i].Name + " alone"
	} else if f.Further && f.Collection.Value != "" && f.Collection.Error == "" {
		text += " in the collection " + f.Collection.Value + " alone"
	}
	if f.Networks.Value != "" {
		text += ", from " + f.Networks.Value + " alone"
	}
	var names []string
	for _, s := range f.Scopes {
		if s.Chosen {
			names = append(names, s.Name)
		}
	}
	names = append(names, strings.Fields(f.OtherScope)...)
	switch {
	case len(names) > 0:
		return text + ", where an application asks for no scope or for " + strings.Join(names, ", ") + "."
	default:
		return text + ", where an application asks for no scope. With scopes it can do more."
	}
}

// createToken creates an API token and shows it, only once.
func (p *tokenPages) createToken(w http.ResponseWriter, r *kit.Request) error {
	form, err := httpkit.FormLists(w, r.Request, "scope")
	if err != nil {
		return err
	}
	f, err := p.newTokenForm(r)
	if err != nil {
		return err
	}
	n, ok := f.read(form)
	if !ok {
		return p.renderNew(w, r, http.StatusBadRequest, f)
	}
	issued, err := p.Tokens.CreateAPIToken(r.Context(), r.Caller, n)
	if fault.Is(err, fault.SignInAgain) && !kit.WantsJSON(r.Request) {
		return p.ToSignInAgain(w, backToTokenForm(form))
	}
	if err != nil {
		if f.refused(err) {
			return p.renderNew(w, r, httpkit.Status(fault.KindOf(err)), f)
		}
		return err
	}
	return p.renderMade(w, r, http.StatusCreated, newMade(p.Issuer, issued, n.Name, f.names()))
}

// names returns the names of the collections that the form offers, by their ids.
func (f tokenForm) names() map[int64]string {
	names := make(map[int64]string, len(f.Collections))
	for _, c := range f.Collections {
		names[c.ID] = c.Name
	}
	return names
}

// made is the page that shows a new value.
type made struct {
	Name       string
	Value      string
	Scope      []string
	Collection string
	Networks   networks.List
	Expires    time.Time // zero: never
	Examples   []example
	Back       string // where the page leads to
	OldDies    string // when the value that it replaces ends; "": it replaces none
}

func newMade(issuer string, issued *issuance.Issued, name string, names map[int64]string) made {
	m := made{Name: name, Value: issued.Value.Reveal(), Scope: issued.Scope, Networks: issued.Networks, Expires: issued.Expiry, Back: kit.PathTokens}
	if issued.Collection != nil {
		m.Collection = tokenrow.CollectionName(*issued.Collection, names)
	}
	me := strings.TrimSuffix(issuer, "/") + "/auth/api/v1/me" // to try the token out on this server
	m.Examples = []example{
		{"curl", "curl", `curl -H "Authorization: Bearer ` + issued.Value.Reveal() + `" "` + me + `"`},
		{"python", "Python", "import urllib.request\n\n" +
			"request = urllib.request.Request(\n    \"" + me + "\",\n" +
			"    headers={\"Authorization\": \"Bearer " + issued.Value.Reveal() + "\"},\n)\n" +
			"print(urllib.request.urlopen(request).read().decode())"},
	}
	return m
}

// example is text that is ready to paste.
type example struct{ ID, Name, Text string }

func (p *tokenPages) renderMade(w http.ResponseWriter, r *kit.Request, status int, m made) error {
	return p.Render(w, r, status, "made", "Your new token", m)
}

// typedAgain are the fields of the form for a new token that come back after signing in
// again.
var typedAgain = []string{"name", "description", "scope", "collection", "networks", "expires", "until"}

// backToTokenForm returns the page with the form for a new token, filled in as it was sent.
func backToTokenForm(form url.Values) string {
	q := url.Values{}
	for _, name := range typedAgain {
		if form.Get(name) != "" {
			q[name] = form[name]
		}
	}
	return pathNew + "?" + q.Encode()
}
