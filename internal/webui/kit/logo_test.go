package kit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/webui/kit"
)

func TestALogoIsAnImageOfBoundedSize(t *testing.T) {
	t.Parallel()
	png := "\x89PNG\x0D\x0A\x1A\x0A" + strings.Repeat("x", 100)
	for name, c := range map[string]struct{ body, kind, problem string }{
		"a PNG":              {png, "image/png", ""},
		"a JPEG":             {"\xFF\xD8\xFF\xE0", "image/jpeg", ""},
		"an SVG":             {`<?xml version="1.0"?><!-- x --><svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>`, "image/svg+xml", ""},
		"a page":             {`<!doctype html><script>alert(1)</script>`, "", "use a PNG, JPEG, GIF, WebP or SVG file"},
		"a page called svg":  {`<html><svg></svg></html>`, "", "use a PNG"},
		"half an SVG":        {`<svg><path>`, "", "use a PNG"},
		"text":               {"logo", "", "use a PNG"},
		"nothing":            {"", "", "use a PNG"},
		"as large as may be": {png + strings.Repeat("x", kit.MaxLogo-len(png)), "image/png", ""},
		"too large":          {png + strings.Repeat("x", kit.MaxLogo-len(png)+1), "", "is larger than 256 KiB: make the image smaller"},
	} {
		path := filepath.Join(t.TempDir(), "logo")
		if err := os.WriteFile(path, []byte(c.body), 0o600); err != nil {
			t.Fatal(err)
		}
		logo, err := kit.ReadLogo(path)
		switch {
		case c.problem == "" && (err != nil || logo.Type != c.kind || string(logo.Body) != c.body):
			t.Errorf("%s: %v, %v", name, logo, err)
		case c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem) || !strings.Contains(err.Error(), path)):
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := kit.ReadLogo(filepath.Join(t.TempDir(), "none")); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
}
