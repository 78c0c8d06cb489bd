package admin

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/account"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/explain"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/webui/kit"
	"github.com/bearerd/bearerd/internal/webui/tokenrow"
)

// userPage is the page of one user.
type userPage struct {
	office

	Accounts  *account.Accounts
	Tokens    *credentials.Tokens
	Revoker   *revoking.Revoker
	Directory *directory.Directory
	Explainer *explain.Explainer
}

// userView is the page of one user.
type userView struct {
	kit.State
	User        identity.User
	Groups      string
	Self        bool
	Lock        account.Lock
	Tokens      []tokenrow.Row // valid ones, the newest first
	MoreTokens  bool
	Links       []records.Link
	Grants      []access.Grant
	Collections []records.Collection // the first ones, suggested as paths
	Action      string               // what was asked about
	Path        string
	Answer      *explain.Explanation
	Question    kit.State // what is wrong with the question
}

func (p *userPage) showUser(w http.ResponseWriter, r *kit.Request, status int, s kit.State) error {
	u, err := p.Directory.User(r.Context(), r.Caller, r.PathValue("id"))
	if err != nil {
		return err
	}
	view := userView{State: s, User: u, Groups: strings.Join(u.Groups, ", "), Self: u.ID == r.Caller.ID()}
	if view.Lock, err = p.Accounts.Lock(r.Context(), r.Caller, u.ID); err != nil {
		return err
	}
	if view.Links, err = p.Directory.Links(r.Context(), r.Caller, u.ID); err != nil {
		return err
	}
	if view.Grants, err = p.Directory.UserAccess(r.Context(), r.Caller, u.ID); err != nil {
		return err
	}
	places, err := p.Directory.CollectionPage(r.Context(), r.Caller, records.ThingQuery{Limit: kit.Listed})
	if err != nil {
		return err
	}
	view.Collections = places.Items
	if err := p.addTokens(r, &view); err != nil {
		return err
	}
	if err := p.addAnswer(r, &view); err != nil {
		return err
	}
	return p.Render(w, r, status, "user", u.Username, view)
}

// shownTokens is how many of a user's tokens are on the user's page; the list of all
// tokens has the others, and pages.
const shownTokens = 20

// addTokens lists the user's valid tokens, sessions and refresh tokens included.
func (p *userPage) addTokens(r *kit.Request, view *userView) error {
	page, err := p.Tokens.TokenList(r.Context(), r.Caller, records.TokenQuery{
		Owner: view.User.ID, State: records.ValidOnly, Now: p.Now(), Limit: shownTokens,
	})
	if err != nil {
		return err
	}
	names, err := tokenrow.Names(r, p.Directory, page.Items...)
	if err != nil {
		return err
	}
	for _, t := range page.Items {
		view.Tokens = append(view.Tokens, tokenrow.Of(t, names, p.Now()))
	}
	view.MoreTokens = page.Next != ""
	return nil
}

// addAnswer answers whether the user may do something, when that is asked.
func (p *userPage) addAnswer(r *kit.Request, view *userView) error {
	q := r.URL.Query()
	view.Action, view.Path = q.Get("action"), q.Get("path")
	if view.Action == "" && view.Path == "" {
		return nil
	}
	action, path, err := readPermission(view.Action, view.Path)
	if err != nil {
		view.Question = kit.State{At: "ask", Problem: kit.Sentence(fault.Message(err)), About: fault.FieldOf(err)}
		return nil
	}
	view.Answer, err = p.Explainer.ExplainUser(r.Context(), r.Caller, view.User.ID, action, path)
	return err
}

// readPermission reads an action and a path. The error names the one that is wrong.
func readPermission(action, path string) (string, access.Path, error) {
	action, err := access.ParseAction(action)
	if err != nil {
		return "", "", err
	}
	parsed, err := access.ParsePath(path)
	return action, parsed, err
}

func (p *userPage) formsOfUser() map[string]kit.Action {
	return map[string]kit.Action{
		"update":        {Do: p.updateUser, Fields: kit.FieldsNamed("username", "name", "email", "groups")},
		"password":      {Do: p.setPassword, Fields: kit.FieldsNamed("password")},
		"password-link": {Do: p.createPasswordLink},
		"link":          {Do: p.linkUser, Fields: kit.FieldsNamed("source", "external_id")},
		"unlink": {Do: p.unlinkUser, Ask: kit.Asks("external_id", "Remove the link to NAME?", "Remove it",
			"This account can't sign in as the user any more, and the sessions that began with its source are ended.")},
		"disable": {Do: p.setDisabled(true), Ask: p.askAbout("Disable NAME?", "Disable",
			"All their tokens and sessions are revoked at once, and they get no new ones until they are enabled again.")},
		"enable": {Do: p.setDisabled(false)},
		"unlock": {Do: p.unlockUser},
		"remove": {Do: p.removeUser, Ask: p.askAbout("Remove NAME?", "Remove",
			"All their tokens and sessions are revoked at once, and their bindings are removed.", "This can't be undone.")},
		"revoke-all": {Do: p.revokeAllOf, Ask: p.askAbout("Revoke all tokens of NAME?", "Revoke everything",
			"All their tokens and sessions are revoked at once. They can sign in again and create new ones.", "This can't be undone.")},
		"revoke-token":  {Do: p.revokeTokenOf, Ask: p.askRevokeToken},
		"remove-access": {Do: p.removeAccess, Fields: map[string]string{"path": "at"}},
	}
}

// patch changes the user that the path names.
func (p *userPage) patch(r *kit.Request, patch identity.UserPatch) (kit.Result, error) {
	u, err := p.Directory.UpdateUser(r.Context(), r.Caller, r.PathValue("id"), patch)
	return kit.Result{To: pathUser(u.ID) + "?notice=saved"}, err
}

func (p *userPage) updateUser(r *kit.Request, form url.Values) (kit.Result, error) {
	name, email, groups := form.Get("name"), form.Get("email"), kit.Words(form.Get("groups"), ",")
	patch := identity.UserPatch{Name: &name, Email: &email, Groups: &groups}
	if username := form.Get("username"); form.Has("username") {
		patch.Username = &username
	}
	return p.patch(r, patch)
}

func (p *userPage) setPassword(r *kit.Request, form url.Values) (kit.Result, error) {
	password := token.Secret(form.Get("password"))
	if password == "" {
		return kit.Result{}, fault.New(fault.Invalid, "enter the new password").In("password")
	}
	return p.patch(r, identity.UserPatch{Password: &password})
}

func (p *userPage) linkUser(r *kit.Request, form url.Values) (kit.Result, error) {
	id := r.PathValue("id")
	_, err := p.Directory.LinkUser(r.Context(), r.Caller, id, strings.TrimSpace(form.Get("source")), strings.TrimSpace(form.Get("external_id")))
	return kit.Result{To: pathUser(id) + "?notice=linked"}, err
}

func (p *userPage) unlinkUser(r *kit.Request, form url.Values) (kit.Result, error) {
	id := r.PathValue("id")
	_, err := p.Directory.UnlinkUser(r.Context(), r.Caller, id, records.Link{Source: form.Get("source"), ExternalID: form.Get("external_id")})
	return kit.Result{To: pathUser(id) + "?notice=unlinked"}, err
}

func (p *userPage) setDisabled(disabled bool) func(*kit.Request, url.Values) (kit.Result, error) {
	return func(r *kit.Request, _ url.Values) (kit.Result, error) {
		return p.patch(r, identity.UserPatch{Disabled: &disabled})
	}
}

func (p *userPage) unlockUser(r *kit.Request, _ url.Values) (kit.Result, error) {
	id := r.PathValue("id")
	return kit.Result{To: pathUser(id) + "?notice=unlocked"}, p.Accounts.Unlock(r.Context(), r.Caller, id)
}

func (p *userPage) removeUser(r *kit.Request, _ url.Values) (kit.Result, error) {
	_, err := p.Directory.RemoveUser(r.Context(), r.Caller, r.PathValue("id"))
	return kit.Result{To: kit.PathAdmin + "users?notice=removed"}, err
}

func (p *userPage) revokeAllOf(r *kit.Request, _ url.Values) (kit.Result, error) {
	id := r.PathValue("id")
	_, err := p.Revoker.RevokeAllOf(r.Context(), r.Caller, id)
	return kit.Result{To: pathUser(id) + "?notice=all-revoked"}, err
}

func (p *userPage) revokeTokenOf(r *kit.Request, form url.Values) (kit.Result, error) {
	_, err := p.Revoker.RevokeID(r.Context(), r.Caller, form.Get("id"))
	return kit.Result{To: pathUser(r.PathValue("id")) + "?notice=revoked"}, err
}

// removeAccess removes every direct binding at and beneath a path, and shows what
// still grants something there.
func (p *userPage) removeAccess(r *kit.Request, form url.Values) (kit.Result, error) {
	at, err := access.ParsePath(form.Get("at"))
	if err != nil {
		return kit.Result{}, err
	}
	removed, remaining, err := p.Directory.RemoveAccess(r.Context(), r.Caller, r.PathValue("id"), at)
	if err != nil {
		return kit.Result{}, err
	}
	text := kit.Count(int64(len(removed)), "binding") + " removed at and beneath " + string(at) + "."
	if len(removed) == 0 {
		text = "The user has no direct binding at or beneath " + string(at) + "."
	}
	if len(remaining) > 0 {
		var still []string
		for _, b := range remaining {
			still = append(still, describe(b))
		}
		text += " Access there is still granted by: " + strings.Join(still, "; ") + "."
	}
	return kit.Result{Text: text, Warn: len(remaining) > 0}, nil
}

// describe returns in words what a binding grants, and to whom.
func describe(b access.Binding) string {
	whose := "a direct binding"
	if b.Group != "" {
		whose = "the group " + b.Group
	}
	if b.Permission != nil {
		return whose + ", " + b.Permission.Action + " " + string(b.Permission.Path) + " at " + string(b.Path)
	}
	return whose + ", role " + b.Role + " at " + string(b.Path)
}

// askAbout asks about the user that the path names. NAME in the title is replaced by
// their name.
func (p *userPage) askAbout(title, yes string, text ...string) func(*kit.Request, url.Values) (kit.Question, error) {
	return func(r *kit.Request, _ url.Values) (kit.Question, error) {
		u, err := p.Directory.User(r.Context(), r.Caller, r.PathValue("id"))
		if err != nil {
			return kit.Question{}, err
		}
		q := kit.Question{Title: strings.Replace(title, "NAME", u.Username, 1), Yes: yes, Text: text}
		if u.ID == r.Caller.ID() {
			q.Text = append([]string{"This is you: you will be signed out."}, text...)
		}
		return q, nil
	}
}

func (p *userPage) askRevokeToken(r *kit.Request, form url.Values) (kit.Question, error) {
	id := form.Get("id")
	t, err := p.Tokens.StoredToken(r.Context(), r.Caller, id)
	if err != nil {
		return kit.Question{}, err
	}
	text := []string{"Everything that uses it stops working at once, and so does every token that was created from it.", lastUse(t, p.Now())}
	if made, err := tokenrow.Descendants(r, p.Tokens, p.Now(), t.Owner, id); err == nil && len(made) > 0 {
		text = append(text, "It was used to create "+kit.Count(int64(len(made)), "refresh token")+", revoked with it.")
	}
	return kit.Question{Title: "Revoke “" + tokenrow.Of(t, nil, p.Now()).Name + "”?", Yes: "Revoke it", Text: append(text, "This can't be undone.")}, nil
}

// lastUse returns when and from where a token was used last.
func lastUse(t records.StoredToken, now time.Time) string {
	if t.LastUsedAt.IsZero() {
		return "It was never used."
	}
	text := "It was last used " + kit.FromNow(t.LastUsedAt, now)
	if t.LastUsedBy != "" {
		text += " from " + t.LastUsedBy
	}
	return text + "."
}

// createPasswordLink creates a link for the user that the path names, and shows it.
func (p *userPage) createPasswordLink(r *kit.Request, _ url.Values) (kit.Result, error) {
	link, err := p.Accounts.CreatePasswordLink(r.Context(), r.Caller, r.PathValue("id"))
	if err != nil {
		return kit.Result{}, err
	}
	return kit.Result{Once: &kit.Shown{Template: "passwordlinkmade", Title: "A link to set a password", Data: madeLink{
		Username: link.Username, URL: link.URL(p.Issuer), Expires: link.ExpiresAt, Back: r.URL.Path,
	}}}, nil
}

// madeLink is the page that shows a link to set a password, only once.
type madeLink struct {
	Username, URL, Back string
	Expires             time.Time
}
