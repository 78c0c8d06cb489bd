package scim

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/provisioning"
	"github.com/bearerd/bearerd/internal/records"
)

// group is a group as RFC 7643 §4.2 has it.
type group struct {
	Schemas     []string   `json:"schemas"`
	ID          string     `json:"id"`
	ExternalID  string     `json:"externalId,omitempty"`
	DisplayName string     `json:"displayName"`
	Members     *[]inGroup `json:"members,omitempty"` // nil: they weren't asked for
	Meta        meta       `json:"meta"`
}

// inGroup is a user in a group.
type inGroup struct {
	Value   string `json:"value"`
	Ref     string `json:"$ref"`
	Display string `json:"display"`
}

// groups are the endpoints of groups.
type groups struct {
	directory *provisioning.Provisioner
	at        location
}

func (e groups) endpoints() []endpoint {
	return []endpoint{
		{http.MethodGet, "/Groups", "", e.list},
		{http.MethodPost, "/Groups", audit.GroupCreate, e.create},
		{http.MethodGet, "/Groups/{id}", "", e.read},
		{http.MethodPut, "/Groups/{id}", audit.GroupUpdate, e.replace},
		{http.MethodPatch, "/Groups/{id}", audit.GroupUpdate, e.patch},
		{http.MethodDelete, "/Groups/{id}", audit.GroupRemove, e.remove},
	}
}

func (e groups) of(g records.Group, members bool) group {
	out := group{
		Schemas: []string{uriGroup}, ID: g.ID, ExternalID: g.ExternalID, DisplayName: g.Name,
		Meta: e.at.meta("Group", "/Groups/"+g.ID),
	}
	if !members {
		return out
	}
	all := make([]inGroup, len(g.Members))
	for i, m := range g.Members {
		all[i] = inGroup{m.ID, e.at.meta("User", "/Users/"+m.ID).Location, m.Username}
	}
	out.Members = &all
	return out
}

// wantsMembers reports whether a request asks for the members of groups.
func wantsMembers(query url.Values) bool {
	has := func(name string) bool {
		return slices.ContainsFunc(strings.Split(query.Get(name), ","), func(attr string) bool {
			attr = strings.ToLower(strings.TrimSpace(attr))
			return attr == "members" || strings.HasPrefix(attr, "members.") || attr == strings.ToLower(uriGroup+":members")
		})
	}
	return !has("excludedAttributes") && (!query.Has("attributes") || has("attributes"))
}

func (e groups) list(w http.ResponseWriter, r *request) error {
	query, err := httpkit.Query(r.Request)
	if err != nil {
		return err
	}
	part, err := readWindow(query)
	if err != nil {
		return err
	}
	members := wantsMembers(query)
	q := records.GroupQuery{Skip: part.skip(), Limit: part.count}
	err = readFilter(query.Get("filter"), map[string]*string{
		"id": &q.ID, "displayname": &q.Name, "externalid": &q.ExternalID, "members": &q.Member,
	})
	switch {
	case err != nil:
		return err
	case q.Member != "" && q.ID == "":
		return wrong(invalidFilter, "members can be compared only together with the id of a group")
	}
	q.Members = members
	found, err := e.directory.ProvisionedGroups(r.Context(), r.caller, q)
	if err != nil {
		return err
	}
	listed := []group{}
	for _, g := range found.Items {
		listed = append(listed, e.of(g, members))
	}
	return writePage(w, part.start, found.Total, listed)
}

func (e groups) read(w http.ResponseWriter, r *request) error {
	query, err := httpkit.Query(r.Request)
	if err != nil {
		return err
	}
	members := wantsMembers(query)
	g, err := e.directory.ProvisionedGroup(r.Context(), r.caller, r.id, members)
	if err != nil {
		return err
	}
	return e.write(w, http.StatusOK, g, members)
}

func (e groups) write(w http.ResponseWriter, status int, g records.Group, members bool) error {
	out := e.of(g, members)
	return writeResource(w, status, out.Meta, out)
}

func (e groups) create(w http.ResponseWriter, r *request) error {
	said, err := readWholeGroup(w, r)
	if err != nil {
		return err
	}
	g, err := e.directory.ProvisionGroup(r.Context(), r.caller, said)
	if err != nil {
		return err
	}
	return e.write(w, http.StatusCreated, g, true)
}

// readWholeGroup reads a complete description of a group; only the external id may be missing.
func readWholeGroup(w http.ResponseWriter, r *request) (said provisioning.ProvidedGroup, err error) {
	body, err := readObject(w, r)
	if err != nil {
		return said, err
	}
	if err := setGroup(&said, body, provisioning.ReplaceMembers); err != nil {
		return said, err
	}
	if said.Name == nil {
		return said, wrong(invalidValue, "displayName is missing")
	}
	return said, nil
}

func (e groups) replace(w http.ResponseWriter, r *request) error {
	said, err := readWholeGroup(w, r)
	if err != nil {
		return err
	}
	if len(said.Members) == 0 {
		said.Members = []provisioning.MemberChange{{Kind: provisioning.ReplaceMembers}}
	}
	query, err := httpkit.Query(r.Request)
	if err != nil {
		return err
	}
	g, err := e.directory.UpdateProvisionedGroup(r.Context(), r.caller, r.id, func(records.Group) (provisioning.ProvidedGroup, error) { return said, nil })
	if err != nil {
		return err
	}
	return e.write(w, http.StatusOK, g, wantsMembers(query))
}

// patch answers without a body, as Entra ID asks for: a group may have thousands of
// members.
func (e groups) patch(w http.ResponseWriter, r *request) error {
	operations, err := readOperations(w, r)
	if err != nil {
		return err
	}
	var said provisioning.ProvidedGroup
	for _, o := range operations {
		if err := carryOut(&said, o); err != nil {
			return err
		}
	}
	_, err = e.directory.UpdateProvisionedGroup(r.Context(), r.caller, r.id, func(records.Group) (provisioning.ProvidedGroup, error) { return said, nil })
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (e groups) remove(w http.ResponseWriter, r *request) error {
	if _, err := e.directory.RemoveProvisionedGroup(r.Context(), r.caller, r.id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// setGroup sets the attributes of an object. Members are added to, or replace, those that are
// there.
func setGroup(said *provisioning.ProvidedGroup, o object, members provisioning.MemberChangeKind) (err error) {
	if v := groupAttribute(o, "displayName"); v != nil {
		if said.Name, err = pointer(text("displayName", v)); err != nil {
			return err
		}
	}
	if v := groupAttribute(o, "externalId"); v != nil {
		if said.ExternalID, err = pointer(text("externalId", v)); err != nil {
			return err
		}
	}
	if v := groupAttribute(o, "members"); v != nil {
		users, err := readMembers(v)
		if err != nil {
			return err
		}
		said.Members = append(said.Members, provisioning.MemberChange{Kind: members, Users: users})
	}
	return nil
}

// groupAttribute returns an attribute of an object, with or without its schema.
func groupAttribute(o object, name string) any {
	if v := member(o, name); v != nil {
		return v
	}
	return member(o, uriGroup+":"+name)
}

// readMembers reads users: a list of objects with an id each.
func readMembers(v any) (users []string, err error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, item := range list {
		id, err := text("members.value", item)
		if err != nil {
			return nil, err
		}
		users = append(users, id)
	}
	return users, nil
}

// carryOut carries out an operation of a PATCH.
func carryOut(said *provisioning.ProvidedGroup, o operation) error {
	members := provisioning.ReplaceMembers
	if o.op == "add" {
		members = provisioning.AddMembers
	}
	if o.path == nil {
		return setGroup(said, o.value.(object), members) //nolint:errcheck,forcetypeassert // readOperation has checked it
	}
	switch attr := o.path.attr; {
	case o.path.extension:
		return nil
	case readOnly(attr):
		return wrong(mutability, "%s can't be changed", attr)
	case attr == "members":
		return changeMembers(said, o, members)
	case attr != "displayname" && attr != "externalid" || o.path.filtered || o.path.sub != "":
		return wrong(invalidPath, "there is no attribute %s", attr)
	case o.op != "remove" && o.value != nil:
		return setGroup(said, object{attr: o.value}, members)
	case attr == "displayname":
		return wrong(mutability, "displayName can't be removed")
	}
	said.ExternalID = new("")
	return nil
}

// changeMembers reads an operation on members: on those in its value or, with a filter, on the
// one that the filter names. Removing members without either removes all.
func changeMembers(said *provisioning.ProvidedGroup, o operation, kind provisioning.MemberChangeKind) error {
	c := provisioning.MemberChange{Kind: kind}
	var err error
	switch p := o.path; {
	case p.filtered && (p.where != "value" || o.op == "replace" || p.sub != "" && p.sub != "value"):
		return wrong(invalidPath, "to add or remove members, name them by value")
	case p.filtered:
		c.Users = []string{p.value}
	case p.sub != "" && p.sub != "value":
		return wrong(invalidPath, "there is no attribute members.%s", p.sub)
	case o.value != nil:
		if c.Users, err = readMembers(o.value); err != nil {
			return err
		}
	case o.op == "add":
		return wrong(invalidValue, "members to add are missing")
	}
	if o.op == "remove" && len(c.Users) > 0 {
		c.Kind = provisioning.RemoveMembers
	}
	said.Members = append(said.Members, c)
	return nil
}
