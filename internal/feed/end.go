package feed

import (
	"context"
	"errors"

	"github.com/bearerd/bearerd/internal/confirming"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// The reasons why a stream ends, as they are logged.
var (
	errLeft     = errors.New("the client left")
	errSlow     = errors.New("the client reads too slowly")
	errToken    = errors.New("the token is no longer accepted")
	errStopping = errors.New("the server stops")
	errOld      = errors.New("the longest time of a stream has passed")
	errStore    = errors.New("the store did not return the missed entries")
)

var outcomes = []error{errSlow, errToken, errStopping, errOld, errRestarted, errLeft, errStore, confirming.ErrBye, confirming.ErrLags}

// finish notes why a stream ended. That is no error of the request: what was sent is
// complete, and the client reconnects.
func (s *stream) finish(ctx context.Context, why error) {
	event := httpkit.EventOf(ctx)
	event.Outcome = errStore.Error()
	for _, o := range outcomes {
		if errors.Is(why, o) {
			event.Outcome = o.Error()
			break
		}
	}
	if isGone(why) {
		event.Outcome = errRestarted.Error()
	}
	switch {
	case errors.Is(why, errStopping):
		s.allowEnd(s.timeout / 10) // the connection isn't used again
	case !errors.Is(why, errSlow):
		s.allowEnd(0)
	}
}
