package adminapi

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestParametersAreDescribed holds the parameters that each endpoint takes against
// those that its description names.
func TestParametersAreDescribed(t *testing.T) {
	t.Parallel()
	type parameter struct {
		Ref  string `json:"$ref"`
		Name string
		In   string
	}
	var document struct {
		Paths map[string]map[string]struct {
			Parameters []parameter
		}
		Components struct{ Parameters map[string]parameter }
	}
	if err := json.Unmarshal(described, &document); err != nil {
		t.Fatal(err)
	}
	for _, e := range (&API{}).routes() {
		want := strings.Fields(e.query)
		var got []string
		for _, p := range document.Paths[base+e.path][strings.ToLower(e.method)].Parameters {
			if p.Ref != "" {
				p = document.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
			}
			if p.In == "query" {
				got = append(got, p.Name)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Errorf("%s %s (-taken +described):\n%s", e.method, e.path, cmp.Diff(want, got))
		}
	}
}
