package feed

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/confirming"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/verification"
)

// ConfirmPath is where verifiers confirm.
const ConfirmPath = Path + "/confirm"

const (
	maxLabel = 100 // bytes
	maxName  = 200 // bytes, of a node or a stream
)

// readConfirm reads the parameters by which a stream is confirmed; without them the label
// is empty.
func (e *Edge) readConfirm(r *http.Request, reader *verification.Identity) (confirming.Reader, error) {
	query, err := httpkit.Query(r)
	if err != nil {
		return confirming.Reader{}, err
	}
	who := confirming.Reader{Client: readerOf(reader), Label: query.Get("confirm"), Address: httpkit.EventOf(r.Context()).ClientAddress()}
	if who.Edge, err = readEdge(query.Get("edge")); err != nil {
		return confirming.Reader{}, err
	}
	bad := func(c rune) bool { return c < ' ' || c > '~' }
	switch {
	case who.Label == "" && who.Edge:
		return confirming.Reader{}, fault.New(fault.Invalid, "edge=true needs a label in confirm").In("confirm")
	case who.Label == "":
	case e.Confirming == nil:
		return confirming.Reader{}, fault.New(fault.Invalid, "this server takes no confirmations").In("confirm")
	case len(who.Label) > maxLabel || strings.ContainsFunc(who.Label, bad):
		return confirming.Reader{}, fault.New(fault.Invalid, "confirm must be a label of at most %d printable ASCII characters", maxLabel).In("confirm")
	case who.Edge && !slices.Contains(reader.Token.Scope, identity.ScopeIntrospect):
		return confirming.Reader{}, fault.New(fault.InsufficientScope, "an edge needs the scope %s too", identity.ScopeIntrospect)
	}
	return who, nil
}

func readEdge(text string) (bool, error) {
	switch text {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, fault.New(fault.Invalid, "edge must be true or false").In("edge")
}

// readerOf returns the client that a token was issued to, or the user that it speaks for:
// the client or user that opened a stream may confirm it, even with another token.
func readerOf(id *verification.Identity) string {
	if id.Token.OfClient() {
		return "client " + id.Token.ClientID
	}
	return "user " + id.Token.Subject
}

// hello is the first event of a stream that is confirmed.
type hello struct {
	Node      string  `json:"node"`
	Stream    string  `json:"stream"`
	Staleness float64 `json:"staleness"` // seconds
	Pace      int64   `json:"pace_ms"`

	Settings json.RawMessage `json:"settings,omitempty"` // for an edge
}

// greet writes the first event of a stream that is confirmed.
func (s *stream) greet() error {
	if s.confirms == nil {
		return nil
	}
	h := hello{Node: s.Confirming.Node(), Stream: s.confirms.Name(), Staleness: s.Staleness.Seconds(), Pace: confirming.PaceOf(s.Streams()).Milliseconds()}
	if s.edge {
		settings, err := encode(s.Settings)
		if err != nil {
			return err
		}
		h.Settings = settings
	}
	text, err := encode(h)
	if err != nil {
		return err
	}
	return s.write(slices.Concat([]byte("event: hello\ndata: "), text, []byte("\n\n")))
}

// mustEnd returns a channel that is closed when the stream must end; nil for a stream
// that isn't confirmed.
func (s *stream) mustEnd() <-chan struct{} {
	if s.confirms == nil {
		return nil
	}
	return s.confirms.Ended()
}

// confirmBody is the body of a confirmation.
type confirmBody struct {
	Node   string          `json:"node"`
	Stream string          `json:"stream"`
	Seq    *revocation.Seq `json:"seq"`
	Bye    bool            `json:"bye"`
}

// confirm takes a confirmation of a verifier, with the same credentials as its stream.
func (e *Edge) confirm(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		return httpkit.MethodNotAllowed(w, r, http.MethodPost)
	}
	_, reader, err := e.authenticate(r)
	if err != nil {
		return err
	}
	if e.Confirming == nil {
		return fault.New(fault.NotFound, "this server takes no confirmations")
	}
	var body confirmBody
	if err := httpkit.DecodeJSON(w, r, &body); err != nil {
		return err
	}
	c := confirming.Confirmation{Node: body.Node, Stream: body.Stream, Client: readerOf(reader), Bye: body.Bye}
	if body.Seq != nil {
		c.Seq = *body.Seq
	}
	switch {
	case c.Node == "" || len(c.Node) > maxName:
		return fault.New(fault.Invalid, "node must be the one in the stream's hello").In("node")
	case c.Stream == "" || len(c.Stream) > maxName:
		return fault.New(fault.Invalid, "stream must be the one in the stream's hello").In("stream")
	case body.Seq == nil && !body.Bye || c.Seq < 0:
		return fault.New(fault.Invalid, "seq must be a sequence, an integer from 0").In("seq")
	}
	if err := e.Confirming.Confirm(r.Context(), c); err != nil {
		return err
	}
	httpkit.EventOf(r.Context()).Mute() // there are as many as verifiers, for each revocation
	w.WriteHeader(http.StatusNoContent)
	return nil
}
