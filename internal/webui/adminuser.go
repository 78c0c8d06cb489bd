package webui

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/account"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/explain"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
)

// userView is the page of one user.
type userView struct {
	formState
	User        identity.User
	Groups      string
	Self        bool
	Lock        account.Lock
	Active      []tokenRow
	Ended       int
	More        bool
	Links       []records.Link
	Grants      []access.Grant
	Collections []records.Collection
	Action      string // what was asked about
	Path        string
	Answer      *explain.Explanation
	Question    formState // what is wrong with the question
}

func (p *Pages) showUser(w http.ResponseWriter, r *request, status int, s formState) error {
	u, err := p.Directory.User(r.Context(), r.caller, r.PathValue("id"))
	if err != nil {
		return err
	}
	view := userView{formState: s, User: u, Groups: strings.Join(u.Groups, ", "), Self: u.ID == r.caller.ID()}
	if view.Lock, err = p.Accounts.Lock(r.Context(), r.caller, u.ID); err != nil {
		return err
	}
	if view.Links, err = p.Directory.Links(r.Context(), r.caller, u.ID); err != nil {
		return err
	}
	if view.Grants, err = p.Directory.UserAccess(r.Context(), r.caller, u.ID); err != nil {
		return err
	}
	if view.Collections, err = p.Directory.CollectionList(r.Context(), r.caller); err != nil {
		return err
	}
	if err := p.addTokens(r, &view); err != nil {
		return err
	}
	if err := p.addAnswer(r, &view); err != nil {
		return err
	}
	return p.render(w, r, status, "user", u.Username, view)
}

// addTokens lists the user's tokens, sessions and refresh tokens included.
func (p *Pages) addTokens(r *request, view *userView) error {
	page, err := p.Tokens.TokenList(r.Context(), r.caller, records.TokenQuery{Owner: view.User.ID, Limit: listedTokens})
	if err != nil {
		return err
	}
	names := (&tokenForm{Collections: view.Collections}).collectionNames()
	for _, t := range page.Items {
		if row := p.row(t, names); row.Reason == "" {
			view.Active = append(view.Active, row)
		} else {
			view.Ended++
		}
	}
	view.More = page.Next != ""
	return nil
}

// addAnswer answers whether the user may do something, when that is asked.
func (p *Pages) addAnswer(r *request, view *userView) error {
	q := r.URL.Query()
	view.Action, view.Path = q.Get("action"), q.Get("path")
	if view.Action == "" && view.Path == "" {
		return nil
	}
	action, path, err := readPermission(view.Action, view.Path)
	if err != nil {
		view.Question = formState{At: "ask", Problem: sentence(fault.Message(err)), About: fault.FieldOf(err)}
		return nil
	}
	view.Answer, err = p.Explainer.ExplainUser(r.Context(), r.caller, view.User.ID, action, path)
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

func (p *Pages) formsOfUser() map[string]formAction {
	return map[string]formAction{
		"update":        {do: p.updateUser, fields: fieldsNamed("username", "name", "email", "groups")},
		"password":      {do: p.setPassword, fields: fieldsNamed("password")},
		"password-link": {do: p.createPasswordLink},
		"link":          {do: p.linkUser, fields: fieldsNamed("source", "external_id")},
		"unlink": {do: p.unlinkUser, ask: asks("external_id", "Remove the link to NAME?", "Remove it",
			"Whoever has this account can't sign in as the user any more, and the sessions that began by its source are ended.")},
		"disable": {do: p.setDisabled(true), ask: p.askAbout("Disable NAME?", "Disable",
			"All their tokens and sessions are revoked at once, and they get no new ones until they are enabled again.")},
		"enable": {do: p.setDisabled(false)},
		"unlock": {do: p.unlockUser},
		"remove": {do: p.removeUser, ask: p.askAbout("Remove NAME?", "Remove",
			"All their tokens and sessions are revoked at once, and their bindings are removed.", "This can't be undone.")},
		"revoke-all": {do: p.revokeAllOf, ask: p.askAbout("Revoke all tokens of NAME?", "Revoke everything",
			"All their tokens and sessions are revoked at once. They can sign in again and create new ones.", "This can't be undone.")},
		"revoke-token":  {do: p.revokeTokenOf, ask: p.askRevokeToken},
		"remove-access": {do: p.removeAccess, fields: map[string]string{"path": "at"}},
	}
}

// patch changes the user that the path names.
func (p *Pages) patch(r *request, patch directory.UserPatch) (result, error) {
	u, err := p.Directory.UpdateUser(r.Context(), r.caller, r.PathValue("id"), patch)
	return result{to: pathUser(u.ID) + "?notice=saved"}, err
}

func (p *Pages) updateUser(r *request, form url.Values) (result, error) {
	name, email, groups := form.Get("name"), form.Get("email"), words(form.Get("groups"), ",")
	patch := directory.UserPatch{Name: &name, Email: &email, Groups: &groups}
	if username := form.Get("username"); form.Has("username") {
		patch.Username = &username
	}
	return p.patch(r, patch)
}

func (p *Pages) setPassword(r *request, form url.Values) (result, error) {
	password := token.Secret(form.Get("password"))
	if password == "" {
		return result{}, fault.New(fault.Invalid, "enter the new password").In("password")
	}
	return p.patch(r, directory.UserPatch{Password: &password})
}

func (p *Pages) linkUser(r *request, form url.Values) (result, error) {
	id := r.PathValue("id")
	_, err := p.Directory.LinkUser(r.Context(), r.caller, id, strings.TrimSpace(form.Get("source")), strings.TrimSpace(form.Get("external_id")))
	return result{to: pathUser(id) + "?notice=linked"}, err
}

func (p *Pages) unlinkUser(r *request, form url.Values) (result, error) {
	id := r.PathValue("id")
	_, err := p.Directory.UnlinkUser(r.Context(), r.caller, id, records.Link{Source: form.Get("source"), ExternalID: form.Get("external_id")})
	return result{to: pathUser(id) + "?notice=unlinked"}, err
}

func (p *Pages) setDisabled(disabled bool) func(*request, url.Values) (result, error) {
	return func(r *request, _ url.Values) (result, error) {
		return p.patch(r, directory.UserPatch{Disabled: &disabled})
	}
}

func (p *Pages) unlockUser(r *request, _ url.Values) (result, error) {
	id := r.PathValue("id")
	return result{to: pathUser(id) + "?notice=unlocked"}, p.Accounts.Unlock(r.Context(), r.caller, id)
}

func (p *Pages) removeUser(r *request, _ url.Values) (result, error) {
	_, err := p.Directory.RemoveUser(r.Context(), r.caller, r.PathValue("id"))
	return result{to: pathAdmin + "users?notice=removed"}, err
}

func (p *Pages) revokeAllOf(r *request, _ url.Values) (result, error) {
	id := r.PathValue("id")
	_, err := p.Revoker.RevokeAllOf(r.Context(), r.caller, id)
	return result{to: pathUser(id) + "?notice=all-revoked"}, err
}

func (p *Pages) revokeTokenOf(r *request, form url.Values) (result, error) {
	_, err := p.Revoker.RevokeID(r.Context(), r.caller, form.Get("id"))
	return result{to: pathUser(r.PathValue("id")) + "?notice=revoked"}, err
}

// removeAccess removes every direct binding at and beneath a path, and shows what
// still grants something there.
func (p *Pages) removeAccess(r *request, form url.Values) (result, error) {
	at, err := access.ParsePath(form.Get("at"))
	if err != nil {
		return result{}, err
	}
	removed, remaining, err := p.Directory.RemoveAccess(r.Context(), r.caller, r.PathValue("id"), at)
	if err != nil {
		return result{}, err
	}
	text := count(int64(len(removed)), "binding") + " removed at and beneath " + string(at) + "."
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
	return result{text: text, warn: len(remaining) > 0}, nil
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

// askAbout asks about the user that the path names. NAME in the title stands for them.
func (p *Pages) askAbout(title, yes string, text ...string) func(*request, url.Values) (question, error) {
	return func(r *request, _ url.Values) (question, error) {
		u, err := p.Directory.User(r.Context(), r.caller, r.PathValue("id"))
		if err != nil {
			return question{}, err
		}
		q := question{Title: strings.Replace(title, "NAME", u.Username, 1), Yes: yes, Text: text}
		if u.ID == r.caller.ID() {
			q.Text = append([]string{"This is you: you will be signed out."}, text...)
		}
		return q, nil
	}
}

func (p *Pages) askRevokeToken(r *request, form url.Values) (question, error) {
	id := form.Get("id")
	t, err := p.Tokens.StoredToken(r.Context(), r.caller, id)
	if err != nil {
		return question{}, err
	}
	text := []string{"Everything that uses it stops working at once, and so does every token that was created from it.", lastUse(t, p.Now())}
	if made, err := p.descendants(r, t.Owner, id); err == nil && len(made) > 0 {
		text = append(text, "It was used to create "+count(int64(len(made)), "refresh token")+", revoked with it.")
	}
	return question{Title: "Revoke “" + p.row(t, nil).Name + "”?", Yes: "Revoke it", Text: append(text, "This can't be undone.")}, nil
}

// lastUse returns when and from where a token was used last.
func lastUse(t records.StoredToken, now time.Time) string {
	if t.LastUsedAt.IsZero() {
		return "It was never used."
	}
	text := "It was last used " + fromNow(t.LastUsedAt, now)
	if t.LastUsedBy != "" {
		text += " from " + t.LastUsedBy
	}
	return text + "."
}
