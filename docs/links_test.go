// Package docs tests the documentation itself.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// pages returns the text of every page of documentation, by its path from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != ".."):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		all[filepath.ToSlash(strings.TrimPrefix(path, "../"))] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var (
	fenced  = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	heading = regexp.MustCompile(`(?m)^#+ +(.+?) *$`)
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	linked  = regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`)
)

// anchors returns the anchors of a page's headings, as GitHub makes them.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		var slug strings.Builder
		for _, r := range strings.ToLower(linked.ReplaceAllString(m[1], "$1")) {
			switch {
			case r == ' ':
				slug.WriteByte('-')
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				slug.WriteRune(r)
			}
		}
		found[slug.String()] = true
	}
	return found
}

// TestEveryLinkLeadsSomewhere follows every link from one page to another, and to a heading
// of it.
func TestEveryLinkLeadsSomewhere(t *testing.T) {
	t.Parallel()
	all := pages(t)
	if len(all) < 40 {
		t.Fatalf("only %d pages were found", len(all))
	}
	for page, text := range all {
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			path, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if path != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(page), path))
			}
			if _, err := os.Stat(filepath.Join("..", target)); err != nil {
				t.Errorf("%s: %s leads nowhere", page, m[1])
			} else if anchor != "" && !anchors(all[target])[anchor] {
				t.Errorf("%s: %s has no heading for %s", page, target, anchor)
			}
		}
	}
}

// TestEveryPageIsFoundInOneStep reads the index: it answers at least thirty questions, the
// README leads to it, and it leads to every page of this folder.
func TestEveryPageIsFoundInOneStep(t *testing.T) {
	t.Parallel()
	all := pages(t)
	index := all["docs/README.md"]
	if !strings.Contains(all["README.md"], "](docs/README.md)") {
		t.Error("the README doesn't lead to the index")
	}
	questions := 0
	for line := range strings.Lines(index) {
		if strings.HasPrefix(line, "- ") && strings.Contains(line, "](") {
			questions++
		}
	}
	if questions < 30 {
		t.Errorf("the index has %d questions", questions)
	}
	for page := range all {
		name, ok := strings.CutPrefix(page, "docs/")
		if ok && !strings.Contains(name, "/") && name != "README.md" && !strings.Contains(index, "]("+name) {
			t.Errorf("the index doesn't lead to %s", page)
		}
	}
}
