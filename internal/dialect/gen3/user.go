package gen3

import (
	"cmp"
	"maps"
	"net/http"
	"slices"

	"github.com/bearerd/bearerd/internal/verification"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// userInfo says who a user is and what they may do.
type userInfo struct {
	UserID      string             `json:"user_id"`
	Subject     string             `json:"sub"`
	Username    string             `json:"username"`
	Preferred   string             `json:"preferred_username"`
	Name        string             `json:"name"`
	DisplayName string             `json:"display_name"`
	Email       string             `json:"email"`
	IsAdmin     bool               `json:"is_admin"`
	Role        string             `json:"role"`
	Groups      []string           `json:"groups"`
	Resources   []string           `json:"resources"`
	Authz       map[string][]right `json:"authz"`
}

// right is one thing that may be done to a resource. No service is told apart here.
type right struct {
	Service string `json:"service"`
	Method  string `json:"method"`
}

// user returns who the caller is. A task token is for its own service alone.
func (d *Dialect) user(w http.ResponseWriter, r *http.Request) error {
	c, err := d.caller(r, verification.Requirements{})
	if err != nil {
		return err
	}
	if c.Subject.Client {
		return fault.New(fault.Forbidden, "the token speaks for a client and no user")
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, infoOf(c.Subject))
}

func infoOf(u *verification.Subject) userInfo {
	name := cmp.Or(u.Name, u.Username)
	info := userInfo{
		UserID: u.ID, Subject: u.ID, Username: u.Username, Preferred: u.Username, Name: name, DisplayName: name,
		Email: u.Email, IsAdmin: u.May(access.Any, access.Root).Allowed, Role: "user",
		Groups: append([]string{}, u.Groups...), Authz: authz(u.Grants),
	}
	if info.IsAdmin {
		info.Role = "admin"
	}
	info.Resources = slices.AppendSeq([]string{}, maps.Keys(info.Authz))
	slices.Sort(info.Resources)
	return info
}

// authz sorts grants by their path, each once.
func authz(grants []access.Grant) map[string][]right {
	all := make(map[string][]right, len(grants))
	for _, g := range grants {
		all[string(g.Path)] = append(all[string(g.Path)], right{Service: "*", Method: g.Action})
	}
	for path, rights := range all {
		slices.SortFunc(rights, func(a, b right) int { return cmp.Compare(a.Method, b.Method) })
		all[path] = slices.Compact(rights)
	}
	return all
}
