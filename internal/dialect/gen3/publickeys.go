package gen3

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/httpkit"
)

// publicKeys are the keys of the JWK Set in the form that the ecosystem reads: pairs
// of a key id and PEM.
type publicKeys struct {
	Keys [][2]string `json:"keys"`
}

// jwtKeys serves the keys of the JWK Set, as pairs.
func (d *Dialect) jwtKeys(w http.ResponseWriter, _ *http.Request) error {
	set := publicKeys{Keys: [][2]string{}}
	for _, k := range d.PublicKeys() {
		der, err := x509.MarshalPKIXPublicKey(k.Key)
		if err != nil {
			return fmt.Errorf("encoding key %s: %w", k.KID, err)
		}
		block := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		set.Keys = append(set.Keys, [2]string{k.KID, string(block)})
	}
	d.mayKeep(w)
	return httpkit.WriteJSON(w, http.StatusOK, set)
}

// jwks serves the JWK Set at the original's path, with the original's additional member
// key_ops, which repeats what the keys are used for (RFC 7517 §4.3).
func (d *Dialect) jwks(w http.ResponseWriter, _ *http.Request) error {
	keys := []map[string]any{}
	for _, k := range d.PublicKeys() {
		members, err := k.JWK()
		if err != nil {
			return fmt.Errorf("encoding key %s: %w", k.KID, err)
		}
		jwk := map[string]any{"key_ops": []string{"verify"}}
		for name, value := range members {
			jwk[name] = value
		}
		keys = append(keys, jwk)
	}
	d.mayKeep(w)
	return httpkit.WriteJSON(w, http.StatusOK, map[string]any{"keys": keys})
}

// mayKeep allows caches to keep the keys for as long as the JWK Set.
func (d *Dialect) mayKeep(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "public, max-age="+strconv.FormatInt(int64(d.CacheTime/time.Second), 10))
}
