package gen3

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/verification"
)

// userInfo is who a user is and what they may do. Members about which bearerd knows
// nothing are present and empty: clients read them without checking that they exist.
type userInfo struct {
	UserID      string             `json:"user_id"`
	Subject     string             `json:"sub"`
	Username    string             `json:"username"`
	Preferred   string             `json:"preferred_username"`
	Name        string             `json:"name"`
	DisplayName string             `json:"display_name"`
	Email       string             `json:"email"`
	IsAdmin     bool               `json:"is_admin"`
	Active      bool               `json:"active"`
	Role        string             `json:"role"`
	Groups      []string           `json:"groups"`
	Resources   []string           `json:"resources"`
	Authz       map[string][]right `json:"authz"`
	Client      *string            `json:"azp"` // to which the token was issued; null: none

	ProjectAccess  map[string][]string `json:"project_access"` // authz says what may be done
	Message        string              `json:"message"`
	IDP            string              `json:"idp"`
	Phone          *string             `json:"phone_number"`
	Certificates   []string            `json:"certificates_uploaded"`
	Granted        []string            `json:"resources_granted"`
	ServiceAccount *string             `json:"primary_google_service_account"`
}

// right is an action that is allowed on a resource. Services are not distinguished here.
type right struct {
	Service string `json:"service"`
	Method  string `json:"method"`
}

// user serves /user, the caller's profile. A task token is accepted only by its own
// service.
func (d *Dialect) user(w http.ResponseWriter, r *http.Request) error {
	c, err := d.userCaller(r)
	if err != nil {
		return err
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, infoOf(c))
}

// userCaller returns the caller where users ask about themselves.
func (d *Dialect) userCaller(r *http.Request) (*caller.Caller, error) {
	c, err := d.caller(r, verification.Requirements{})
	if err == nil && c.Subject.Client {
		err = fault.New(fault.Forbidden, "the token was issued to a client, not to a user")
	}
	return c, err
}

// headerRemoteUser has the original's spelling: proxies copy it by that name.
const headerRemoteUser = "REMOTE_USER"

// anyAccess serves the endpoint by which a gateway asks whether the caller may do
// anything here or, with project, may read that project.
func (d *Dialect) anyAccess(w http.ResponseWriter, r *http.Request) error {
	query, err := httpkit.Query(r)
	if err != nil {
		return err
	}
	c, err := d.userCaller(r)
	if err != nil {
		return err
	}
	if !mayEnter(c.Subject, query) {
		return fault.New(fault.Unauthenticated, "nothing is granted to the user")
	}
	w.Header()[headerRemoteUser] = []string{c.Subject.Username}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, map[string]string{"result": "success"})
}

// mayEnter decides for anyAccess. A project is a path; access to one that is no path is
// refused.
func mayEnter(u *verification.Subject, query url.Values) bool {
	project := query.Get("project")
	if project == "" {
		return len(u.Grants) > 0
	}
	path, err := access.ParsePath("/" + strings.TrimPrefix(project, "/"))
	return err == nil && u.May("read", path).Allowed
}

func infoOf(c *caller.Caller) userInfo {
	u := c.Subject
	name := cmp.Or(u.Name, u.Username)
	info := userInfo{
		UserID: u.ID, Subject: u.ID, Username: u.Username, Preferred: u.Username, Name: name, DisplayName: name,
		Email: u.Email, IsAdmin: u.May(access.Any, access.Root).Allowed, Active: true, Role: "user",
		Groups: append([]string{}, u.Groups...), Authz: authz(u.Grants),
		ProjectAccess: map[string][]string{}, Certificates: []string{}, Granted: []string{},
	}
	if id := c.Token.ClientID; id != "" && id != identity.OwnClientID {
		info.Client = &id
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
