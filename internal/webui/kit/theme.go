package kit

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"
)

//go:embed templates assets
var files embed.FS

//go:embed openapi.json
var described []byte

// OpenAPI describes the parts that all pages share.
func OpenAPI() []byte { return described }

const pathAssets = "/auth/assets/"

// theme is what pages are made of: templates, and assets with the checksums
// that are part of their addresses.
type theme struct {
	base   string // the issuer's path
	pages  map[string]func() *template.Template
	layout *template.Template
	assets map[string]asset
}

// asset is a file that pages refer to.
type asset struct {
	body   []byte
	sum    string
	zipped bool   // the body is gzip
	kind   string // the media type; "": that of the name
}

func newTheme(base string, now func() time.Time) *theme {
	t := &theme{base: base, pages: map[string]func() *template.Template{}, assets: map[string]asset{}}
	for _, name := range names(files, "assets") {
		t.assets[name] = newAsset(read(files, "assets/"+name))
	}
	t.layout = template.New("layout.html").Funcs(template.FuncMap{
		"asset": t.address, "at": t.at, "join": strings.Join, "grant": shortGrant, "second": second, "source": source,
		"instant": func(t time.Time) template.HTML { return instant(t, now()) },
		"until":   func(t time.Time) template.HTML { return until(t, now()) },
		"due":     func(state string, t time.Time) template.HTML { return due(state, t, now()) },
		"deref":   func(b *bool) bool { return b != nil && *b },
	})
	template.Must(t.layout.Parse(t.source(files, "layout.html")))
	template.Must(t.layout.New("parts.html").Parse(t.source(files, "parts.html")))
	t.addPages(files)
	return t
}

// addPages adds the templates of a package. Each is parsed when it is first shown: all
// together take 3 MiB, and many servers never show a page.
func (t *theme) addPages(templates fs.FS) {
	for _, name := range names(templates, "templates") {
		if name == "layout.html" || name == "parts.html" {
			continue
		}
		page := strings.TrimSuffix(name, ".html")
		if t.pages[page] != nil {
			panic("two pages are called " + page) // in a package of ours
		}
		t.pages[page] = sync.OnceValue(func() *template.Template {
			whole := template.Must(t.layout.Clone())
			template.Must(whole.New(name).Parse(t.source(templates, name)))
			return whole
		})
	}
}

func newAsset(body []byte) asset {
	sum := sha256.Sum256(body)
	return asset{body: body, sum: hex.EncodeToString(sum[:8])}
}

// names lists the files of a directory that is embedded, and read reads one: neither
// can fail but by a mistake in the package that embeds it.
func names(files fs.FS, dir string) []string {
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		panic(err)
	}
	list := make([]string, len(entries))
	for i, e := range entries {
		list[i] = e.Name()
	}
	return list
}

func read(files fs.FS, name string) []byte {
	body, err := fs.ReadFile(files, name)
	if err != nil {
		panic(err)
	}
	return body
}

// at returns the path on this host of a path beneath the issuer's.
func (t *theme) at(path string) string { return t.base + path }

// ownAddress is an attribute with a path of ours, as it is written in a template.
var ownAddress = regexp.MustCompile(`\b(href|src|action|data-leads)="/`)

// source returns the text of a template with the issuer's path put before every path that
// is written there. Paths that come from Go pass through the function at.
func (t *theme) source(templates fs.FS, name string) string {
	return ownAddress.ReplaceAllString(string(read(templates, "templates/"+name)), `$1="`+html.EscapeString(t.base)+`/`)
}

// address returns the address of an asset. It changes with the content, so that caches
// may keep the asset for ever.
func (t *theme) address(name string) string {
	return t.at(pathAssets + t.assets[name].sum + "/" + name)
}

// serveAsset serves what pages refer to. Under the address of another version, as
// while nodes are upgraded, it is asked for again each time.
func (t *theme) serveAsset(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.PathValue("name"))
	a, ok := t.assets[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	if r.PathValue("sum") == a.sum {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("ETag", `"`+a.sum+`"`)
	if a.kind != "" {
		h.Set("Content-Type", a.kind)
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'")
	}
	// Decompressed for clients that don't accept gzip.
	body := io.ReadSeeker(bytes.NewReader(a.body))
	if a.zipped {
		w.Header().Add("Vary", "Accept-Encoding")
		if takesGzip(r) {
			w.Header().Set("Content-Encoding", "gzip")
		} else {
			body = bytes.NewReader(unpack(a.body))
		}
	}
	http.ServeContent(w, r, name, time.Time{}, body)
}

// takesGzip reports whether the client accepts gzip (RFC 9110 §12.5.3).
func takesGzip(r *http.Request) bool {
	for _, header := range r.Header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(header, ",") {
			name, weight, _ := strings.Cut(coding, ";")
			weight = strings.ReplaceAll(weight, " ", "")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") && strings.Trim(weight, "0.") != "q=" {
				return true
			}
		}
	}
	return false
}

// unpack returns the content of a gzip that is part of this program.
func unpack(packed []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic(err) // likewise
	}
	body, err := io.ReadAll(z)
	if err != nil {
		panic(err)
	}
	return body
}
