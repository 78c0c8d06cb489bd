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

// jwtKeys serves what /.well-known/jwks.json does.
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
	w.Header().Set("Cache-Control", "public, max-age="+strconv.FormatInt(int64(d.CacheTime/time.Second), 10))
	return httpkit.WriteJSON(w, http.StatusOK, set)
}
