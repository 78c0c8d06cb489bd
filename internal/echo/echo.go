// Package echo answers `bearerd doctor`: at [Path], how a request looked when it arrived,
// after it had passed the proxies in front; and at the path of any other endpoint, that
// the request arrived. It answers nobody else: a request must have a proof for its path,
// which only the master key (or with HS256 the secret) can create; without one, [Path] is
// answered as if nothing were there.
package echo

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

const (
	// Path is where the endpoint is, beneath the issuer.
	Path = "/auth/doctor"
	// ProofHeader carries the proof.
	ProofHeader = "X-Bearerd-Doctor"
	// ReachedHeader is in the answer to a proof for the path of another endpoint.
	ReachedHeader = "X-Bearerd-Reached"
	// Purpose is the purpose of the key of proofs, for keyring's Derive.
	Purpose = "doctor"
	// Authorization is what the doctor sends in that header. It is no token.
	Authorization = "Bearer bearerd-doctor"

	proofLife = 5 * time.Minute // and as long before: clocks differ
)

// Key is the key of proofs.
type Key [32]byte

// Proof returns a proof for one path, valid for a few minutes around now. A proof that went
// to another server, because the path leads there, is of no use at any other path.
func (k Key) Proof(path string, now time.Time) string {
	nonce := rand.Text()
	said := strconv.FormatInt(now.Unix(), 10) + "." + nonce
	return said + "." + k.sign(said+"."+path)
}

func (k Key) sign(said string) string {
	mac := hmac.New(sha256.New, k[:])
	_, _ = mac.Write([]byte(said))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Proves reports whether a proof was made with this key for the path, a few minutes around
// now. It has two dots: with more of them, the beginning of another path could be taken for
// a part of the proof.
func (k Key) Proves(proof, path string, now time.Time) bool {
	at := strings.LastIndexByte(proof, '.')
	if strings.Count(proof, ".") != 2 || !hmac.Equal([]byte(proof[at+1:]), []byte(k.sign(proof[:at]+"."+path))) {
		return false
	}
	seconds, _, _ := strings.Cut(proof, ".")
	made, err := strconv.ParseInt(seconds, 10, 64)
	return err == nil && now.Sub(time.Unix(made, 0)).Abs() <= proofLife
}

// Seen is how a request looked.
type Seen struct {
	Peer          string   `json:"peer"`    // who the connection is from, with the port
	Trusted       bool     `json:"trusted"` // the peer is one of trusted_proxies
	Client        string   `json:"client"`  // the address that limits and the audit log count
	ForwardedFor  []string `json:"forwarded_for"`
	Host          string   `json:"host"`
	Authorization bool     `json:"authorization"` // that header arrived as it was sent
	Time          int64    `json:"time"`          // of the server's clock, in milliseconds since 1970
}

// Edge is the endpoint.
type Edge struct {
	Key     Key
	Proxies httpkit.Proxies
	Now     func() time.Time
}

// Register mounts the endpoint.
func (e *Edge) Register(mux *http.ServeMux) {
	mux.Handle("GET "+Path, httpkit.Handle(e.serve, httpkit.Problems(httpkit.Challenge{})))
}

// Asks reports whether a request of the doctor asks if the path leads here. What is at [Path]
// has an answer of its own.
func (e *Edge) Asks(r *http.Request, path string) bool {
	proofs := r.Header[ProofHeader]
	return len(proofs) == 1 && path != Path && e.Key.Proves(proofs[0], path, e.Now())
}

// Reached answers that it does.
func (e *Edge) Reached(w http.ResponseWriter) {
	httpkit.NoStore(w)
	w.Header().Set(ReachedHeader, "bearerd")
	w.WriteHeader(http.StatusNoContent)
}

func (e *Edge) serve(w http.ResponseWriter, r *http.Request) error {
	proofs := r.Header[ProofHeader]
	if len(proofs) != 1 || !e.Key.Proves(proofs[0], Path, e.Now()) {
		return fault.New(fault.NotFound, "there is nothing at this path")
	}
	authorization := r.Header["Authorization"]
	seen := Seen{
		Peer: r.RemoteAddr, Client: e.Proxies.Client(r).String(), ForwardedFor: []string{}, Host: r.Host,
		Authorization: len(authorization) == 1 && authorization[0] == Authorization, Time: e.Now().UnixMilli(),
	}
	seen.Trusted = e.Proxies.TrustsPeer(r)
	for _, line := range r.Header["X-Forwarded-For"] {
		for entry := range strings.SplitSeq(line, ",") {
			seen.ForwardedFor = append(seen.ForwardedFor, strings.TrimSpace(entry))
		}
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, seen)
}
