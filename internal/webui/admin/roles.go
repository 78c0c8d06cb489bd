package admin

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

// rolePages are the pages of roles.
type rolePages struct {
	office

	Directory *directory.Directory
}

// rolesView is the page of all roles.
type rolesView struct {
	kit.State
	Roles []access.Role
	List  kit.List
	Edit  *access.Role // the one that is being changed
	Lines string       // its permissions
}

const toRoles = kit.PathAdmin + "roles"

func (p *rolePages) showRoles(w http.ResponseWriter, r *kit.Request, status int, s kit.State) error {
	q := r.URL.Query()
	view := rolesView{State: s, List: kit.NewList(toRoles, "role", "name or permission", q, kit.Sorted())}
	edit := q.Get("edit")
	if s.At == "update" {
		edit = s.Typed.Get("name")
	}
	if edit != "" {
		role, err := p.Directory.Role(r.Context(), r.Caller, edit)
		switch {
		case err == nil:
			view.Edit, view.Lines = &role, permissionLines(role.Permissions)
		case !fault.Is(err, fault.NotFound):
			return err
		}
	}
	page, err := p.Directory.RolePage(r.Context(), r.Caller, view.List.Things(q))
	if err != nil {
		return err
	}
	view.Roles = kit.PageOf(&view.List, page)
	return p.Render(w, r, status, "roles", "Roles", view)
}

func permissionLines(all []access.Permission) string {
	lines := make([]string, len(all))
	for i, one := range all {
		lines[i] = one.Action + " " + string(one.Path)
	}
	return strings.Join(lines, "\n")
}

func (p *rolePages) roleForms() map[string]kit.Action {
	return map[string]kit.Action{
		"create": {Do: kit.Reading(readRole, toRoles+"?notice=made", p.Directory.CreateRole), Fields: kit.FieldsNamed("name", "permissions")},
		"update": {Do: kit.Reading(readRole, toRoles+"?notice=saved", p.Directory.UpdateRole), Fields: kit.FieldsNamed("permissions")},
		"remove": {Ask: kit.Asks("name", "Remove the role NAME?", "Remove",
			"Every binding that grants it is removed too, and its users lose that access at once.", "This can't be undone."), Do: func(r *kit.Request, form url.Values) (kit.Result, error) {
			_, err := p.Directory.RemoveRole(r.Context(), r.Caller, form.Get("name"))
			return kit.Result{To: toRoles + "?notice=removed"}, err
		}},
	}
}

// readRole reads a role whose permissions are one on each line: an action, and a path.
func readRole(form url.Values) (access.Role, error) {
	role := access.Role{Name: form.Get("name")}
	for _, line := range kit.Words(form.Get("permissions"), "\r\n") {
		action, path, _ := strings.Cut(line, " ")
		action, parsed, err := readPermission(action, strings.TrimSpace(path))
		if err != nil {
			return role, fault.New(fault.Invalid, "the line %q is not an action and a path: %s", line, fault.Message(err)).In("permissions")
		}
		role.Permissions = append(role.Permissions, access.Permission{Action: action, Path: parsed})
	}
	return role, nil
}
