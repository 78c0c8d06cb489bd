package feed

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Settings are what an edge must know of the issuer's configuration to recognise tokens and to
// answer as a node does.
type Settings struct {
	APITokenPrefix string         `json:"api_token_prefix"` // of new API tokens
	ForeignTokens  []ForeignToken `json:"foreign_tokens,omitempty"`
	// Resources are the addresses of the metadata of protected resources, by audience.
	Resources map[string]string `json:"resources,omitempty"`
}

// ForeignToken is the shape of another system's tokens: a pattern or a prefix.
type ForeignToken struct {
	Name    string `json:"name"`
	Pattern string `json:"pattern,omitempty"`
	Prefix  string `json:"prefix,omitempty"`
}

// maxSettings is how long settings may be that an edge reads, in bytes of JSON.
const maxSettings = 64 << 10

// Check returns an error when the settings are too long for an edge.
func (s Settings) Check() error {
	text, err := encode(s)
	if err == nil && len(text) > maxSettings {
		err = fmt.Errorf("foreign_tokens and resources: an edge would have to read %d bytes, and reads at most %d", len(text), maxSettings)
	}
	return err
}

// encode returns JSON on one line, with patterns as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
