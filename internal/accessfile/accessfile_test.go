package accessfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/accessfile"
	"github.com/bearerd/bearerd/internal/apply"
)

func TestAMistakeIsReportedAtItsLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.yaml")
	const text = "roles:\n  - {name: reader, permissions: [{action: read, path: /}]}\nbindings:\n  - {group: curators, role: reader}\n  - {group: curators, role: writer}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := accessfile.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Desired.Roles) != 1 || len(f.Desired.Bindings) != 2 || f.Desired.Bindings[1].Role != "writer" {
		t.Errorf("the file contains %+v", f.Desired)
	}
	cause := errors.New("there is no role writer")
	got := f.AtLine(&apply.MistakeError{List: "bindings", Index: 1, Err: cause})
	if !errors.Is(got, cause) || !strings.HasPrefix(got.Error(), path+":5:") {
		t.Errorf("the error is %q", got)
	}
	if got := f.AtLine(cause); got != cause { //nolint:errorlint // it is the same error, unchanged
		t.Errorf("an error about no line became %q", got)
	}
}
