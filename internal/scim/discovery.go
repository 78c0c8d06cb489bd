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

// serviceProviderConfig says which parts of SCIM there are (RFC 7643 §5).
func (e *Edge) serviceProviderConfig(w http.ResponseWriter, _ *request) error {
	var config object
	if err := json.Unmarshal(serviceProvider, &config); err != nil {
		return fmt.Errorf("reading the description: %w", err)
	}
	config["meta"] = e.metaOf("ServiceProviderConfig", "/ServiceProviderConfig")
	return httpkit.WriteJSONAs(w, http.StatusOK, typeSCIM, config)
}

// discovered returns the endpoint of a list of descriptions, or of the one that the path
// names (RFC 7643 §6, §7). They can't be filtered (RFC 7644 §4).
func (e *Edge) discovered(descriptions []byte) func(http.ResponseWriter, *request) error {
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
			one["meta"] = e.metaOf(kind, path+id)
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
