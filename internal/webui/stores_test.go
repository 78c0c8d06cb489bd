package webui_test

import (
	"context"
	"errors"
	"time"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/identity"
)

// broken is a store that fails when tokens are listed, in a way nobody foresaw.
type broken struct{ authority.Store }

func (broken) StoredTokens(context.Context, authority.TokenQuery) (authority.Page[authority.StoredToken], error) {
	return authority.Page[authority.StoredToken]{}, errors.New("reading the disk at 0xbeef")
}

// away is a store that can't be asked who somebody is.
type away struct{ authority.Store }

func (away) Failures(context.Context, []string, time.Time) ([]identity.Failures, error) {
	return nil, errAway()
}
