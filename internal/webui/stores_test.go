package webui_test

import (
	"context"
	"errors"
	"time"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
)

// broken is a store that fails when tokens are listed, in a way nobody foresaw.
type broken struct{ contract.Store }

func (broken) StoredTokens(context.Context, records.TokenQuery) (records.Page[records.StoredToken], error) {
	return records.Page[records.StoredToken]{}, errors.New("reading the disk at 0xbeef")
}

// away is a store that can't be asked who somebody is.
type away struct{ contract.Store }

func (away) Failures(context.Context, []string, time.Time) ([]identity.Failures, error) {
	return nil, errAway()
}
