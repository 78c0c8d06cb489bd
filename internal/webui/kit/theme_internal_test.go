package kit

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestEveryPageParses parses the templates of every room as a server does when they are first
// shown, by several requests at once: a mistake in one must not wait for somebody to see it.
func TestEveryPageParses(t *testing.T) {
	t.Parallel()
	theme := newTheme("/base", time.Now)
	rooms, err := filepath.Glob("../*/templates")
	if err != nil || len(rooms) < 5 {
		t.Fatalf("rooms: %q, %v", rooms, err)
	}
	for _, room := range rooms {
		if dir := filepath.Dir(room); filepath.Base(dir) != "kit" {
			theme.addPages(os.DirFS(dir))
		}
	}
	var all sync.WaitGroup
	for name, page := range theme.pages {
		for range 2 {
			all.Go(func() {
				defer func() {
					if v := recover(); v != nil {
						t.Errorf("%s: %v", name, v)
					}
				}()
				if page().Lookup(name+".html") == nil {
					t.Errorf("%s has no template of its name", name)
				}
			})
		}
	}
	all.Wait()
}
