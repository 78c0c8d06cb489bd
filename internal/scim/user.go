package scim

import (
	"net/http"
	"strings"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/provisioning"
	"github.com/bearerd/bearerd/internal/records"
)

// user is a user as RFC 7643 §4.1 has it.
type user struct {
	Schemas     []string `json:"schemas"`
	ID          string   `json:"id"`
	ExternalID  string   `json:"externalId,omitempty"`
	UserName    string   `json:"userName"`
	Name        *name    `json:"name,omitempty"`
	DisplayName string   `json:"displayName,omitempty"`
	Active      bool     `json:"active"`
	Emails      []email  `json:"emails,omitempty"`
	Meta        meta     `json:"meta"`
}

type name struct {
	Formatted  string `json:"formatted,omitempty"`
	GivenName  string `json:"givenName,omitempty"`
	FamilyName string `json:"familyName,omitempty"`
}

type email struct {
	Value   string `json:"value"`
	Type    string `json:"type"`
	Primary bool   `json:"primary"`
}

const typeWork = "work" // of an address of which nothing else is said

// users are the endpoints of users.
type users struct {
	directory *provisioning.Provisioner
	at        location
}

func (e users) endpoints() []endpoint {
	return []endpoint{
		{http.MethodGet, "/Users", "", e.list},
		{http.MethodPost, "/Users", audit.UserCreate, e.create},
		{http.MethodGet, "/Users/{id}", "", e.read},
		{http.MethodPut, "/Users/{id}", audit.UserUpdate, e.replace},
		{http.MethodPatch, "/Users/{id}", audit.UserUpdate, e.patch},
		{http.MethodDelete, "/Users/{id}", audit.UserRemove, e.remove},
	}
}

func (e users) of(u records.OwnedUser) user {
	out := user{
		Schemas: []string{uriUser}, ID: u.ID, ExternalID: u.ExternalID, UserName: u.Username, DisplayName: u.Name,
		Active: !u.Disabled, Meta: e.at.meta("User", "/Users/"+u.ID),
	}
	if n := (name{u.Name, u.Person.GivenName, u.Person.FamilyName}); n != (name{}) {
		out.Name = &n
	}
	if u.Email != "" {
		out.Emails = []email{{u.Email, emailType(u.Person), true}}
	}
	return out
}

func emailType(p records.Person) string {
	if p.EmailType == "" {
		return typeWork
	}
	return p.EmailType
}

func (e users) list(w http.ResponseWriter, r *request) error {
	query, err := httpkit.Query(r.Request)
	if err != nil {
		return err
	}
	part, err := readWindow(query)
	if err != nil {
		return err
	}
	q := records.OwnedQuery{Skip: part.skip(), Limit: part.count}
	err = readFilter(query.Get("filter"), map[string]*string{"id": &q.ID, "username": &q.Username, "externalid": &q.ExternalID})
	if err != nil {
		return err
	}
	found, err := e.directory.ProvisionedUsers(r.Context(), r.caller, q)
	if err != nil {
		return err
	}
	listed := make([]user, len(found.Items))
	for i, u := range found.Items {
		listed[i] = e.of(u)
	}
	return writePage(w, part.start, found.Total, listed)
}

// readFilter reads a filter into what it says of attributes.
func readFilter(s string, known map[string]*string) error {
	if s == "" {
		return nil
	}
	all, err := parseFilter(s)
	if err != nil {
		return err
	}
	for _, c := range all {
		attr := c.attr
		if attr == "members" && (c.sub == "" || c.sub == "value") && !c.filtered {
			c.sub = ""
		}
		to := known[attr]
		if to == nil || c.sub != "" || c.filtered || c.extension {
			return wrong(invalidFilter, "it can't be filtered by this attribute")
		}
		if *to != "" || c.equals == "" {
			return wrong(invalidFilter, "%s is compared with one value that isn't empty", attr)
		}
		*to = c.equals
	}
	return nil
}

func (e users) read(w http.ResponseWriter, r *request) error {
	u, err := e.directory.ProvisionedUser(r.Context(), r.caller, r.id)
	if err != nil {
		return err
	}
	return e.write(w, http.StatusOK, u)
}

func (e users) write(w http.ResponseWriter, status int, u records.OwnedUser) error {
	out := e.of(u)
	return writeResource(w, status, out.Meta, out)
}

func (e users) create(w http.ResponseWriter, r *request) error {
	body, err := readObject(w, r)
	if err != nil {
		return err
	}
	var d draft
	if err := d.setAll(body); err != nil {
		return err
	}
	if d.userName == "" {
		return wrong(invalidValue, "userName is missing")
	}
	// Okta sends a password that it made up with every new user. It is not kept: nobody
	// knows it.
	created, err := e.directory.ProvisionUser(r.Context(), r.caller, d.provided(whole))
	if err != nil {
		return err
	}
	return e.write(w, http.StatusCreated, created)
}

func (e users) replace(w http.ResponseWriter, r *request) error {
	body, err := readObject(w, r)
	if err != nil {
		return err
	}
	updated, err := e.directory.UpdateProvisioned(r.Context(), r.caller, r.id, func(u records.OwnedUser) (provisioning.Provided, error) {
		d := draft{externalID: u.ExternalID} // that stays where it isn't said
		if err := d.setAll(body); err != nil {
			return provisioning.Provided{}, err
		}
		if d.userName == "" {
			return provisioning.Provided{}, wrong(invalidValue, "userName is missing")
		}
		return d.provided(whole), d.refusePassword()
	})
	if err != nil {
		return err
	}
	return e.write(w, http.StatusOK, updated)
}

func (e users) patch(w http.ResponseWriter, r *request) error {
	operations, err := readOperations(w, r)
	if err != nil {
		return err
	}
	updated, err := e.directory.UpdateProvisioned(r.Context(), r.caller, r.id, func(u records.OwnedUser) (provisioning.Provided, error) {
		d := draftOf(u)
		for _, o := range operations {
			if err := d.carryOut(o); err != nil {
				return provisioning.Provided{}, err
			}
		}
		return d.provided(partly), d.refusePassword()
	})
	if err != nil {
		return err
	}
	return e.write(w, http.StatusOK, updated)
}

func (e users) remove(w http.ResponseWriter, r *request) error {
	if _, err := e.directory.RemoveProvisioned(r.Context(), r.caller, r.id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// composed returns the name of a person of whom its parts are known.
func composed(p records.Person) string { return strings.TrimSpace(p.GivenName + " " + p.FamilyName) }
