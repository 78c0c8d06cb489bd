package feed

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/revocation"
)

// position is where a subscriber wants to continue; without resume it starts from a snapshot.
type position struct {
	after  revocation.Seq
	resume bool
}

// applied returns up to which sequence the subscriber has the log; -1: it has nothing.
func (p position) applied() revocation.Seq {
	if !p.resume {
		return -1
	}
	return p.after
}

const headerLastEventID = "Last-Event-ID"

// readPosition reads the parameter after or, when there is none, the header that a
// client of Server-Sent Events sends by itself. What is empty is absent.
func readPosition(r *http.Request) (position, error) {
	query, err := httpkit.Query(r)
	if err != nil {
		return position{}, err
	}
	headers := r.Header[http.CanonicalHeaderKey(headerLastEventID)]
	if len(headers) > 1 {
		return position{}, fault.New(fault.Invalid, "the header %s is repeated", headerLastEventID)
	}
	name, text := "after", query.Get("after")
	if text == "" && len(headers) > 0 {
		name, text = headerLastEventID, headers[0]
	}
	if text == "" {
		return position{}, nil
	}
	after, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return position{}, fault.New(fault.Invalid, "%s must be a sequence, an integer from 0 to 9223372036854775807", name)
	}
	return position{after: revocation.Seq(after), resume: true}, nil
}

// goneError is the error of a subscriber that can't continue where it was and must start
// again.
type goneError struct{ reason string }

func (e *goneError) Error() string { return e.reason }

// The two reasons to start again: what followed is no longer there, or never was.
var (
	errPurged = &goneError{"the log has been purged beyond that sequence: start again without after"}
	errBeyond = &goneError{"the log ends before that sequence, perhaps because of a restore: start again without after"}
)

func isGone(err error) bool {
	_, gone := errors.AsType[*goneError](err)
	return gone
}

// goneBody is the body of a 410.
type goneBody struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}
