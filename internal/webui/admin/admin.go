// Package admin is the pages of administration. There is one type for each topic, with
// the operations that it calls.
package admin

import (
	"embed"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/account"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/explain"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/shadow"
	"github.com/bearerd/bearerd/internal/traffic"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

//go:embed templates
var templates embed.FS

//go:embed openapi.json
var described []byte

// OpenAPI describes the pages.
func OpenAPI() []byte { return described }

// Operations are what administrators do here.
type Operations struct {
	Accounts   *account.Accounts
	Tokens     *credentials.Tokens
	Revoker    *revoking.Revoker
	Directory  *directory.Directory
	Explainer  *explain.Explainer
	Status     func() revocation.Status // how far this node has applied the revocation log
	Traffic    traffic.Log              // what the charts show of this node; nil: there are none
	Cluster    Cluster
	Shadow     *shadow.Log // what report-only routes would have refused
	ReportOnly []string    // the routes and requirements that are not enforced
}

// Register mounts the pages of administration.
func Register(mux *http.ServeMux, site *kit.Site, ops Operations) {
	site.Use(templates)
	o := office{site}
	names := named{ops.Directory}
	o.admin(mux, "GET "+kit.PathAdmin+"{$}", (&overviewPage{o, ops.Status, ops.Traffic, ops.Cluster}).overview)
	list := &userPages{o, ops.Directory}
	o.adminForms(mux, "users", list.showUsers, list.userForms())
	one := &userPage{o, ops.Accounts, ops.Tokens, ops.Revoker, ops.Directory, ops.Explainer}
	o.adminForms(mux, "users/{id}", one.showUser, one.formsOfUser())
	o.admin(mux, "GET "+toTokens, (&tokenPages{o, ops.Tokens, ops.Directory}).show)
	collections := &collectionPages{o, ops.Directory}
	o.adminForms(mux, "collections", collections.showCollections, collections.collectionForms())
	roles := &rolePages{o, ops.Directory}
	o.adminForms(mux, "roles", roles.showRoles, roles.roleForms())
	bindings := &bindingPages{o, ops.Directory}
	o.adminForms(mux, "bindings", bindings.showBindings, bindings.bindingForms())
	clients := &clientPages{o, ops.Directory}
	o.adminForms(mux, "clients", clients.showClients, clients.clientForms())
	o.admin(mux, "GET "+kit.PathAdmin+"issuers", (&issuerPages{o, ops.Directory}).issuersPage)
	o.admin(mux, "GET "+kit.PathAdmin+"shadow", (&shadowPages{o, ops.Shadow, ops.ReportOnly}).shadowPage)
	keys := &keyPages{o, ops.Directory}
	o.adminForms(mux, "keys", keys.showKeys, keys.keyForms())
	log := &auditPages{o, ops.Directory, names}
	o.admin(mux, "GET "+kit.PathAdmin+"audit", log.auditPage)
	o.admin(mux, "GET "+kit.PathAdmin+"audit/export", log.exportAudit)
	tokens := &inspectorPage{o, ops.Explainer, names}
	o.admin(mux, "GET "+kit.PathAdmin+"inspector", tokens.show)
	o.admin(mux, "POST "+kit.PathAdmin+"inspector", tokens.inspect)
}

// office is the site, with pages that only administrators may open.
type office struct{ *kit.Site }

// named finds the names of users.
type named struct{ *directory.Directory }

// sections are the pages of administration, in the order of their links.
var sections = []struct{ name, title string }{
	{"", "Overview"},
	{"users", "Users"},
	{"tokens", "Tokens"},
	{"collections", "Collections"},
	{"roles", "Roles"},
	{"bindings", "Bindings"},
	{"clients", "Clients"},
	{"issuers", "Issuers"},
	{"keys", "Keys"},
	{"shadow", "Report only"},
	{"audit", "Audit log"},
	{"inspector", "Inspector"},
}

// Menu returns the links between the pages of administration; none on other pages.
func Menu(path string) []kit.Link {
	rest, found := strings.CutPrefix(path, kit.PathAdmin)
	if !found {
		return nil
	}
	current, _, _ := strings.Cut(rest, "/")
	links := make([]kit.Link, len(sections))
	for i, s := range sections {
		links[i] = kit.Link{Path: kit.PathAdmin + s.name, Title: s.title, Current: s.name == current}
	}
	return links
}

// admin mounts a page for administrators.
func (o office) admin(mux *http.ServeMux, pattern string, serve kit.Handler) {
	o.User(mux, pattern, func(w http.ResponseWriter, r *kit.Request) error {
		if err := r.Caller.RequireAdministrator(); err != nil {
			return err
		}
		return serve(w, r)
	})
}

// adminForms mounts a page for administrators, with the actions of its forms by their names.
func (o office) adminForms(mux *http.ServeMux, name string, show kit.Show, forms map[string]kit.Action) {
	o.admin(mux, "GET "+kit.PathAdmin+name, func(w http.ResponseWriter, r *kit.Request) error {
		return show(w, r, http.StatusOK, kit.State{Notice: kit.Notice(r.URL.Query().Get("notice"))})
	})
	o.admin(mux, "POST "+kit.PathAdmin+name, func(w http.ResponseWriter, r *kit.Request) error { return o.RunForm(w, r, show, forms) })
}

// of returns the usernames of those of ids that are users' subjects.
func (n named) of(r *kit.Request, ids ...string) (map[string]string, error) {
	return n.Usernames(r.Context(), r.Caller, slices.DeleteFunc(ids, func(id string) bool { return uuid.Validate(id) != nil }))
}
