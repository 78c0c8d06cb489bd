package issuerclient

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/verification"
)

// An edge asks to be waited for as a node is, and so it must confirm.
func TestAnEdgeSaysThatItIsOne(t *testing.T) {
	t.Parallel()
	c := Config{Issuer: "https://auth.example.org", Audience: "a", ClientID: "edge", ClientSecret: "s3cret", Edge: &Edge{}}
	if _, err := New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "Confirm is missing") {
		t.Errorf("without a label: %v", err)
	}
	c.Confirm = "edge 1"
	if got, want := (&follower{cfg: c}).query(&reading{snapshot: true}), "?confirm=edge+1&edge=true"; got != want {
		t.Errorf("it asks with %s, not %s", got, want)
	}
}

const (
	helloOf   = `{"node":"n","stream":"s","staleness":2,"pace_ms":20,"settings":`
	beatAtOne = `{"seq":1,"as_of":0}`
)

// edge returns a client with a clock that stands still, which is not connected.
func edge(t *testing.T) *Client {
	t.Helper()
	v, err := New(t.Context(), Config{
		Issuer: "https://auth.example.org", Audience: "a", ClientID: "edge", ClientSecret: "s3cret", Confirm: "edge 1", Edge: &Edge{},
		Clock: func() time.Duration { return time.Hour },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.end)
	return v
}

// reading returns a reading of a stream of the edge's, a snapshot or one that goes on.
func (v *Client) reading(snapshot bool) *reading {
	return &reading{
		ledger: v.ledger, started: v.ledger.Clock(), staleness: 2 * time.Second, onKey: func() {},
		snapshot: snapshot, last: v.ledger.Applied(), confirms: true, learn: v.learn,
	}
}

const knox = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"

func (v *Client) kindOfError(t *testing.T, raw string) fault.Kind {
	t.Helper()
	_, err := v.decision.Verify(t.Context(), raw, verification.Requirements{})
	return fault.KindOf(err)
}

// Until an edge knows what tokens look like it can't say of anything that it is none; and what
// is none by other settings counts no longer.
func TestAnEdgeLearnsWhatTokensLookLike(t *testing.T) {
	t.Parallel()
	v := edge(t)
	if got := v.kindOfError(t, knox); got != fault.Unavailable || !v.LooksLikeToken(knox) {
		t.Errorf("before it knows: %v", got)
	}
	r := v.reading(true)
	for _, e := range []event{
		{name: eventHello, data: []byte(helloOf + `{"api_token_prefix":"msm_"}}`)}, {name: eventHeartbeat, data: []byte(beatAtOne)},
	} {
		if err := r.take(e); err != nil {
			t.Fatal(err)
		}
	}
	if got := v.kindOfError(t, knox); got != fault.InvalidToken || v.LooksLikeToken(knox) {
		t.Errorf("of no shape that is known: %v", got)
	}
	const more = `{"api_token_prefix":"msm_","foreign_tokens":[{"name":"knox","pattern":"[0-9a-f]{40}"}],"resources":{"a":"https://auth.example.org/a"}}}`
	if err := v.reading(false).take(event{name: eventHello, data: []byte(helloOf + more)}); !errors.Is(err, errSettings) {
		t.Errorf("a stream goes on with other settings: %v", err)
	}
	if err := v.reading(false).take(event{name: eventHello, data: []byte(helloOf + more)}); err != nil {
		t.Errorf("with the same ones: %v", err)
	}
	if !v.LooksLikeToken(knox) || v.MetadataOf("a") != "https://auth.example.org/a" || v.MetadataOf("b") != "" {
		t.Error("the new settings don't count")
	}
}

// What an edge can't take over in full makes no lease.
func TestAnEdgeNeedsSettingsThatItUnderstands(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"none":                `{"node":"n","stream":"s","staleness":2,"pace_ms":20}`,
		"null":                helloOf + `null}`,
		"no prefix":           helloOf + `{}}`,
		"a prefix of JWTs":    helloOf + `{"api_token_prefix":"eyJ"}}`,
		"a wild pattern":      helloOf + `{"api_token_prefix":"bda_","foreign_tokens":[{"name":"x","pattern":".*"}]}}`,
		"bearerd's own shape": helloOf + `{"api_token_prefix":"bda_","foreign_tokens":[{"name":"x","prefix":"bda_"}]}}`,
		"no list":             helloOf + `{"api_token_prefix":"bda_","foreign_tokens":{}}}`,
	} {
		v := edge(t)
		if err := v.reading(true).take(event{name: eventHello, data: []byte(text)}); err == nil || v.settings.Load() != nil {
			t.Errorf("%s is taken over: %v", name, err)
		}
	}
}
