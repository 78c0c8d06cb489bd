// Package echo answers `bearerd doctor`: how a request looked when it had passed whatever
// stands in front. It answers nobody else: a request must carry a proof that only those can
// make who have the master key (or with HS256 the secret), and without one there is nothing
// at its path.
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
	// Purpose is that of the key that proofs are made with, for keyring's Derive.
	Purpose = "doctor"
	// Authorization is what the doctor sends in that header. It is no token.
	Authorization = "Bearer bearerd-doctor"

	proofLife = 5 * time.Minute // and as long before: clocks differ
)

// Key is what proofs are made with.
type Key [32]byte

// Proof returns a proof that is good for a few minutes around now.
func (k Key) Proof(now time.Time) string {
	nonce := rand.Text()
	said := strconv.FormatInt(now.Unix(), 10) + "." + nonce
	return said + "." + k.sign(said)
}

func (k Key) sign(said string) string {
	mac := hmac.New(sha256.New, k[:])
	_, _ = mac.Write([]byte(said))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Proves reports whether a proof was made with this key a few minutes around now.
func (k Key) Proves(proof string, now time.Time) bool {
	at := strings.LastIndexByte(proof, '.')
	if at < 0 || !hmac.Equal([]byte(proof[at+1:]), []byte(k.sign(proof[:at]))) {
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

func (e *Edge) serve(w http.ResponseWriter, r *http.Request) error {
	proofs := r.Header[ProofHeader]
	if len(proofs) != 1 || !e.Key.Proves(proofs[0], e.Now()) {
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
