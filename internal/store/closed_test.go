package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/store"
)

// A folder that is named as a database is called one, and not only what SQLite says of it.
func TestAFolderIsNoDatabase(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if _, err := store.Open(t.Context(), folder, store.Options{Now: time.Now}); err == nil || !strings.Contains(err.Error(), "it is a folder, and must be a file") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := store.Inspect(t.Context(), folder, store.Options{}); err == nil || !strings.Contains(err.Error(), "it is a folder, and must be a file") {
		t.Errorf("a folder is inspected: %v", err)
	}
}
