package scim

import (
	_ "embed" // what is described
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

var (
	//go:embed schemas.json
	schemas []byte
	//go:embed resourcetypes.json
	resourceTypes []byte
	//go:embed config.json
	serviceProvider []byte
	//go:embed openapi.json
	described []byte
)

// OpenAPI describes the endpoints, as a fragment of an OpenAPI 3.1 document.
func (e *Edge) OpenAPI() [][]byte { return [][]byte{described} }

// discovery are the endpoints of what there is.
type discovery struct{ at location }

func (e discovery) endpoints() []endpoint {
	return []endpoint{
		{http.MethodGet, "/ServiceProviderConfig", "", e.serviceProviderConfig},
		{http.MethodGet, "/ResourceTypes", "", e.described(resourceTypes)},
		{http.MethodGet, "/ResourceTypes/{id}", "", e.described(resourceTypes)},
		{http.MethodGet, "/Schemas", "", e.described(schemas)},
		{http.MethodGet, "/Schemas/{id}", "", e.described(schemas)},
	}
}

// serviceProviderConfig says which parts of SCIM there are (RFC 7643 §5).
func (e discovery) serviceProviderConfig(w http.ResponseWriter, _ *request) error {
	var config object
	if err := json.Unmarshal(serviceProvider, &config); err != nil {
		return fmt.Errorf("reading the description: %w", err)
	}
	config["meta"] = e.at.meta("ServiceProviderConfig", "/ServiceProviderConfig")
	return httpkit.WriteJSONAs(w, http.StatusOK, typeSCIM, config)
}

// described returns the endpoint of a list of descriptions, or of the one that the path
// names (RFC 7643 §6, §7). They can't be filtered (RFC 7644 §4).
func (e discovery) described(descriptions []byte) func(http.ResponseWriter, *request) error {
	return func(w http.ResponseWriter, r *request) error {
		var all []object
		if err := json.Unmarshal(descriptions, &all); err != nil {
			return fmt.Errorf("reading the descriptions: %w", err)
		}
		for _, one := range all {
			kind, path := "Schema", "/Schemas/"
			if one["endpoint"] != nil {
				kind, path = "ResourceType", "/ResourceTypes/"
			}
			id, _ := one["id"].(string)
			one["meta"] = e.at.meta(kind, path+id)
			if r.id == id {
				return httpkit.WriteJSONAs(w, http.StatusOK, typeSCIM, one)
			}
		}
		switch {
		case r.id != "":
			return errNothing
		case r.URL.Query().Has("filter"):
			return fault.New(fault.Forbidden, "these can't be filtered")
		}
		return writePage(w, 1, len(all), all)
	}
}
