package kit

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// MaxLogo is how large the file of a logo may be, in bytes.
const MaxLogo = 256 << 10

// Logo is the image that is shown beside the name of a site.
type Logo struct {
	Type string // the media type
	Body []byte
}

// ReadLogo reads a logo from a file: a PNG, JPEG, GIF, WebP or SVG image. The error says
// what to do.
func ReadLogo(path string) (*Logo, error) {
	f, err := os.Open(path) // #nosec G304 -- the operator names it
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	body, err := io.ReadAll(io.LimitReader(f, MaxLogo+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(body) > MaxLogo {
		return nil, fmt.Errorf("%s is larger than %d KiB: make the image smaller, 64 pixels high are enough", path, MaxLogo>>10)
	}
	kind := http.DetectContentType(body)
	switch {
	case kind == "image/png", kind == "image/jpeg", kind == "image/gif", kind == "image/webp":
	case isSVG(body):
		kind = "image/svg+xml"
	default:
		return nil, fmt.Errorf("%s is not an image that browsers can show: use a PNG, JPEG, GIF, WebP or SVG file", path)
	}
	return &Logo{Type: kind, Body: body}, nil
}

// isSVG reports whether a file is XML with svg for its root.
func isSVG(body []byte) bool {
	d := xml.NewDecoder(bytes.NewReader(body))
	for {
		t, err := d.Token()
		if err != nil {
			return false
		}
		if root, ok := t.(xml.StartElement); ok {
			return strings.EqualFold(root.Name.Local, "svg") && wellFormed(d)
		}
	}
}

func wellFormed(d *xml.Decoder) bool {
	for {
		if _, err := d.Token(); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}
