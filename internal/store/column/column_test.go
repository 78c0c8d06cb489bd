package column_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/store/column"

	"github.com/bearerd/bearerd/internal/networks"
)

// What is stored in the place of networks and can't be read is an error, and never no limit.
func TestNetworksThatCantBeReadAreAnError(t *testing.T) {
	t.Parallel()
	for _, stored := range []any{
		nil, "", "null", "[ ]", "{}", "[null]", `[""]`, "[7]", `"192.0.2.0/24"`, `["192.0.2.1/24"]`, `["192.0.2.7"]`, `["0.0.0.0/0"]`,
		`["192.0.2.0/24","x"]`, `["192.0.2.0/24"`,
	} {
		var list networks.List
		if err := column.Networks(&list).Scan(stored); err == nil {
			t.Errorf("%v is read as %q", stored, list)
		}
	}
	empty := networks.List{}
	if stored, err := column.Networks(&empty).Value(); err == nil {
		t.Errorf("an empty list is stored as %v", stored)
	}
	want, err := networks.Parse([]string{"192.0.2.0/24", "2001:db8::/32"})
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []networks.List{nil, want} {
		stored, err := column.Networks(&in).Value()
		if err != nil {
			t.Fatal(err)
		}
		var got networks.List
		if err := column.Networks(&got).Scan(stored); err != nil || !got.Equal(in) || (got == nil) != (in == nil) {
			t.Errorf("%q is read back from %v as %q: %v", in, stored, got, err)
		}
	}
}
