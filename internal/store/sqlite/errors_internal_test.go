package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A database that can't be opened says why, and not only SQLite's "unable to open".
func TestADatabaseThatCantBeOpenedSaysWhy(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	denied := &fs.PathError{Op: "open", Path: "a.db", Err: fs.ErrPermission}
	if err := Explain("a.db", fmt.Errorf("opening: %w", denied)); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "as the user that bearerd runs as") {
		t.Errorf("a file of another user: %v", err)
	}
	file := filepath.Join(folder, "a.db")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := whyClosed(file); err != nil {
		t.Errorf("a file that can be written to: %v", err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("the check leaves %v, %v", left, err)
	}
	if err := os.Mkdir(file+"-wal", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := whyClosed(file); err == nil || !strings.Contains(err.Error(), "a.db-wal") {
		t.Errorf("a log that can't be written to: %v", err)
	}
}
