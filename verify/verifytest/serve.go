package verifytest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/token"
)

// ownToken is the token with which verifiers read the stream.
const ownToken = "verifytest-own-access-token"

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&15|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v)
}

// asClient admits only the verifiers' client.
func asClient(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, encoded, _ := r.BasicAuth()
		secret, err := url.QueryUnescape(encoded) // RFC 6749 §2.3.1
		if err != nil || id != ClientID || secret != ClientSecret {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			writeJSON(w, map[string]any{"error": "invalid_client"})
			return
		}
		next(w, r)
	}
}

func (i *Issuer) metadata(w http.ResponseWriter, _ *http.Request) {
	u := i.server.URL
	writeJSON(w, map[string]any{
		"issuer": u, "jwks_uri": u + "/.well-known/jwks.json", "token_endpoint": u + "/oauth2/token",
		"introspection_endpoint": u + "/oauth2/introspect", "revocations_endpoint": u + "/auth/revocations",
		"revocations_max_staleness": MaxStaleness.Seconds(), "response_types_supported": []string{},
	})
}

func (i *Issuer) jwks(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	set := []map[string]string{}
	for _, k := range i.keys {
		jwk, err := k.Verification().JWK()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		set = append(set, jwk)
	}
	writeJSON(w, map[string]any{"keys": set})
}

func (i *Issuer) token(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"access_token": ownToken, "token_type": "Bearer", "expires_in": 1800})
}

func (i *Issuer) introspect(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked++
	t := i.find(r.PostFormValue("token"))
	if t == nil || !i.good(t) {
		writeJSON(w, map[string]any{"active": false})
		return
	}
	answer := map[string]any{
		"active": true, "jti": t.id, "sub": t.subject, "iss": i.server.URL, "aud": t.audience, "iat": t.issued.Unix(),
		"token_type": "Bearer", "token_kind": t.kind.String(), "seq": t.seq, "log_seq": i.seq(),
		"username": t.username, "client_id": t.client, "scope": strings.Join(t.scope, " "), "chain": t.chain,
	}
	if !t.expiry.IsZero() {
		answer["exp"] = t.expiry.Unix()
	}
	if t.networks != nil {
		answer["networks"] = t.networks.Strings()
	}
	if t.collection != nil {
		answer["collection"] = *t.collection
	}
	if t.taskType != "" {
		answer["task_token_type"] = t.taskType
	}
	if act := token.ActorOf(t.actors); act != nil {
		answer["act"] = act
	}
	writeJSON(w, answer)
}

// revocations streams the log: all of it, or what comes after an entry.
func (i *Issuer) revocations(w http.ResponseWriter, r *http.Request) {
	received := time.Now()
	var after int64
	if text := r.URL.Query().Get("after"); text != "" {
		var err error
		if after, err = strconv.ParseInt(text, 10, 64); err != nil {
			http.Error(w, "after is not a number", http.StatusBadRequest)
			return
		}
	}
	if r.Header.Get("Authorization") != "Bearer "+ownToken {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		i.mu.Lock()
		asked := time.Now()
		entries, seq := slices.Clone(i.log[min(after, i.seq()):]), i.seq()
		news, down := i.news, i.down
		i.mu.Unlock()
		for _, e := range entries {
			writeEvent(w, "revocation", strconv.FormatInt(e.Seq, 10), e)
		}
		after = seq
		writeEvent(w, "heartbeat", "", map[string]int64{"seq": seq, "as_of": asked.Sub(received).Microseconds()})
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		timer := time.NewTimer(beat)
		select {
		case <-news:
		case <-timer.C:
		case <-down:
			return
		case <-r.Context().Done():
			return
		}
		timer.Stop()
	}
}

func writeEvent(w http.ResponseWriter, name, id string, data any) {
	text, err := json.Marshal(data)
	if err != nil {
		return // entries and numbers can be encoded
	}
	if id != "" {
		_, _ = fmt.Fprintf(w, "id: %s\n", id)
	}
	_, _ = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, text)
}
