package oauth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"
)

// keySet is the endpoint of the JWK Set.
type keySet struct {
	set func() []byte
	age time.Duration // for which caches may keep it
}

// serve serves the JWK Set (RFC 7517 §5). Its type is application/json, which is right for
// it as well: some clients accept nothing else.
func (k keySet) serve(w http.ResponseWriter, r *http.Request) error {
	set := k.set()
	sum := sha256.Sum256(set)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "public, max-age="+strconv.FormatInt(int64(k.age/time.Second), 10))
	h.Set("ETag", `"`+hex.EncodeToString(sum[:12])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(set))
	return nil
}
