package webui

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
)

// rolesView is the page of all roles.
type rolesView struct {
	formState
	Roles []access.Role
	Edit  *access.Role // the one that is being changed
	Lines string       // its permissions
}

const toRoles = pathAdmin + "roles"

func (p *Pages) showRoles(w http.ResponseWriter, r *request, status int, s formState) error {
	all, err := p.Directory.RoleList(r.Context(), r.caller)
	if err != nil {
		return err
	}
	view := rolesView{formState: s, Roles: all}
	edit := r.URL.Query().Get("edit")
	if s.At == "update" {
		edit = s.Typed.Get("name")
	}
	for i := range all {
		if all[i].Name == edit {
			view.Edit, view.Lines = &all[i], permissionLines(all[i].Permissions)
		}
	}
	return p.render(w, r, status, "roles", "Roles", view)
}

func permissionLines(all []access.Permission) string {
	lines := make([]string, len(all))
	for i, one := range all {
		lines[i] = one.Action + " " + string(one.Path)
	}
	return strings.Join(lines, "\n")
}

func (p *Pages) roleForms() map[string]formAction {
	return map[string]formAction{
		"create": {do: reading(readRole, toRoles+"?notice=made", p.Directory.CreateRole), fields: fieldsNamed("name", "permissions")},
		"update": {do: reading(readRole, toRoles+"?notice=saved", p.Directory.UpdateRole), fields: fieldsNamed("permissions")},
		"remove": {ask: asks("name", "Remove the role NAME?", "Remove",
			"Every binding that grants it is removed too, and its users lose that access at once.", "This can't be undone."), do: func(r *request, form url.Values) (result, error) {
			_, err := p.Directory.RemoveRole(r.Context(), r.caller, form.Get("name"))
			return result{to: toRoles + "?notice=removed"}, err
		}},
	}
}

// readRole reads a role whose permissions stand one a line: an action, and a path.
func readRole(form url.Values) (access.Role, error) {
	role := access.Role{Name: form.Get("name")}
	for _, line := range words(form.Get("permissions"), "\r\n") {
		action, path, _ := strings.Cut(line, " ")
		action, parsed, err := readPermission(action, strings.TrimSpace(path))
		if err != nil {
			return role, fault.New(fault.Invalid, "the line %q is not an action and a path: %s", line, fault.Message(err)).In("permissions")
		}
		role.Permissions = append(role.Permissions, access.Permission{Action: action, Path: parsed})
	}
	return role, nil
}
