package scim

import (
	"maps"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/provisioning"
	"github.com/bearerd/bearerd/internal/records"
)

// draft is a user as a request leaves them, attribute by attribute.
type draft struct {
	before records.OwnedUser // the zero value for a whole user

	userName, externalID   string
	displayName, formatted *string // nil: not said
	email                  string
	person                 records.Person
	active                 *bool // nil: not said
	password               bool  // the request has one
}

// scope says whether a request describes all of a user.
type scope bool

const (
	whole  scope = true  // what it leaves out is removed
	partly scope = false // what it leaves out stays
)

func draftOf(u records.OwnedUser) draft {
	d := draft{before: u, userName: u.Username, externalID: u.ExternalID, email: u.Email, person: u.Person}
	d.person.Inactive = false
	return d
}

// provided returns what the draft says.
func (d *draft) provided(s scope) provisioning.Provided {
	name := d.name(s)
	return provisioning.Provided{
		Username: &d.userName, ExternalID: &d.externalID, Name: &name, Email: &d.email, Active: d.active, Person: &d.person,
	}
}

// name returns what people call the user: as displayed, as formatted, or composed of its
// parts. A name that a part belongs to follows it.
func (d *draft) name(s scope) string {
	said := d.displayName != nil || d.formatted != nil
	for _, name := range []*string{d.displayName, d.formatted} {
		if name != nil && *name != "" {
			return *name
		}
	}
	if !said && s == partly && d.before.Name != composed(d.before.Person) {
		return d.before.Name
	}
	return composed(d.person)
}

// refusePassword refuses a password of a user who exists: to ignore it would let people
// believe that it was changed.
func (d *draft) refusePassword() error {
	if d.password {
		return wrong(mutability, "a password can't be set with SCIM: people sign in at the system that maintains them, or set a password here")
	}
	return nil
}

// carryOut carries out an operation of a PATCH.
func (d *draft) carryOut(o operation) error {
	if o.path == nil {
		return d.setAll(o.value.(object)) //nolint:errcheck,forcetypeassert // readOperation has checked it
	}
	switch {
	case o.path.extension:
		return nil
	case readOnly(o.path.attr):
		return wrong(mutability, "%s can't be changed", o.path.attr)
	case o.op == "remove" || o.value == nil:
		return d.remove(*o.path)
	}
	known, err := d.set(*o.path, o.value, o.op == "add")
	if err == nil && !known {
		return wrong(invalidPath, "there is no attribute %s", o.path.attr)
	}
	return err
}

// setAll sets the attributes of an object. It ignores those that aren't stored or can't be
// changed. The name of a member may be a path.
func (d *draft) setAll(o object) error {
	for _, name := range slices.Sorted(maps.Keys(o)) {
		v := o[name]
		p, err := parsePath(name)
		if err != nil || v == nil || p.extension || readOnly(p.attr) {
			continue
		}
		if _, err := d.set(p, v, false); err != nil {
			return err
		}
	}
	return nil
}

// readOnly reports whether only bearerd sets an attribute.
func readOnly(attr string) bool {
	return slices.Contains([]string{"id", "meta", "schemas", "groups"}, attr)
}

// unkept are the attributes of RFC 7643 §4.1 that bearerd doesn't store.
var unkept = []string{
	"nickname", "profileurl", "title", "usertype", "preferredlanguage", "locale", "timezone", "phonenumbers", "ims",
	"photos", "addresses", "entitlements", "roles", "x509certificates",
}

// set sets an attribute, and reports whether there is one of that name. With more, the value is
// added to those that are there.
func (d *draft) set(p path, v any, more bool) (known bool, err error) {
	switch p.attr {
	case "username":
		d.userName, err = text("userName", v)
	case "externalid":
		d.externalID, err = text("externalId", v)
	case "displayname":
		d.displayName, err = pointer(text("displayName", v))
	case "active":
		d.active, err = pointer(flag("active", v))
	case "password":
		d.password = true
	case "name":
		err = d.setName(p.sub, v)
	case "emails":
		err = d.setEmails(p, v, more)
	default:
		return slices.Contains(unkept, p.attr), nil
	}
	return true, err
}

func pointer[T any](v T, err error) (*T, error) { return &v, err }

// setName sets a part of the name, or the parts that an object has.
func (d *draft) setName(part string, v any) (err error) {
	switch part {
	case "":
		parts, ok := v.(object)
		if !ok {
			return wrong(invalidValue, "name must be an object")
		}
		for part, v := range parts {
			if v == nil || part == "" {
				continue
			}
			if err := d.setName(strings.ToLower(part), v); err != nil {
				return err
			}
		}
	case "formatted":
		d.formatted, err = pointer(text("name.formatted", v))
	case "givenname":
		d.person.GivenName, err = text("name.givenName", v)
	case "familyname":
		d.person.FamilyName, err = text("name.familyName", v)
	}
	return err
}

// setEmails sets the one address that is stored: the primary one, otherwise one for work,
// otherwise the first. A change of an address of another type than the stored one is ignored.
func (d *draft) setEmails(p path, v any, more bool) error {
	if p.filtered {
		if d.email != "" && !d.keeps(p) {
			return nil
		}
		if d.email == "" && p.where == "type" {
			d.person.EmailType = strings.ToLower(p.value)
		}
	}
	switch p.sub {
	case "", "value":
	case "type":
		kind, err := text("emails.type", v)
		d.person.EmailType = kind
		return err
	default:
		return nil
	}
	if address, ok := v.(string); ok {
		d.email = address
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	best, err := bestEmail(list)
	if err != nil || more && !p.filtered && d.email != "" && !best.Primary && !strings.EqualFold(best.Type, emailType(d.person)) {
		return err
	}
	d.email = best.Value
	if best.Type != "" || !p.filtered {
		d.person.EmailType = best.Type
	}
	return nil
}

// keeps reports whether a filter names the address that is stored.
func (d *draft) keeps(p path) bool {
	switch p.where {
	case "type":
		return strings.EqualFold(p.value, emailType(d.person))
	case "primary":
		return p.value == "true"
	case "value":
		return strings.EqualFold(p.value, d.email)
	}
	return false
}

func bestEmail(list []any) (best email, err error) {
	rank := func(e email) int {
		switch {
		case e.Primary:
			return 2
		case strings.EqualFold(e.Type, typeWork):
			return 1
		}
		return 0
	}
	for i, item := range list {
		one, err := readEmail(item)
		if err != nil {
			return best, err
		}
		if i == 0 || rank(one) > rank(best) {
			best = one
		}
	}
	return best, nil
}

func readEmail(item any) (e email, err error) {
	o, ok := item.(object)
	if !ok {
		e.Value, err = text("emails", item)
		return e, err
	}
	if v := member(o, "value"); v != nil {
		if e.Value, err = text("emails.value", v); err != nil {
			return e, err
		}
	}
	if v := member(o, "type"); v != nil {
		if e.Type, err = text("emails.type", v); err != nil {
			return e, err
		}
	}
	if v := member(o, "primary"); v != nil {
		e.Primary, err = flag("emails.primary", v)
	}
	return e, err
}

// remove removes an attribute.
func (d *draft) remove(p path) error {
	switch p.attr {
	case "username", "active":
		return wrong(mutability, "%s can't be removed", p.attr)
	case "externalid":
		d.externalID = ""
	case "displayname":
		d.displayName = new("")
	case "name":
		if p.sub == "" || p.sub == "formatted" {
			d.formatted = new("")
		}
		if p.sub == "" || p.sub == "givenname" {
			d.person.GivenName = ""
		}
		if p.sub == "" || p.sub == "familyname" {
			d.person.FamilyName = ""
		}
	case "emails":
		if (!p.filtered || d.keeps(p)) && (p.sub == "" || p.sub == "value") {
			d.email, d.person.EmailType = "", ""
		}
	default:
		if !slices.Contains(unkept, p.attr) && p.attr != "password" {
			return wrong(invalidPath, "there is no attribute %s", p.attr)
		}
	}
	return nil
}
