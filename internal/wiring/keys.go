package wiring

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"

	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

func openRing(ctx context.Context, p parts) (*keyring.Ring, error) {
	// The longest that any JWT may live.
	longest := max(p.config.AccessToken.MaxTTL, p.config.APIKey.MaxTTL)
	for _, ceiling := range p.config.TaskCeilings() {
		longest = max(longest, ceiling)
	}
	c := keyring.Config{
		Algorithm: token.Algorithm(p.config.Signing.Algorithm), RotateEvery: p.config.Signing.RotateEvery,
		SameType:  slices.Contains(p.config.Dialects, config.DialectGen3),
		CacheTime: jwksLife, Lag: node.KeyLag, LongestToken: longest, Now: revocation.NewWallClock(p.now),
	}
	var err error
	if c.Algorithm == token.HS256 {
		c.RotateEvery = 0
		if c.Secret, err = keyring.ReadSecret(p.config.Signing.SecretFile); err != nil {
			return nil, err
		}
		return keyring.Open(ctx, c)
	}
	c.Store = p.store
	if c.Master, err = masterKey(ctx, p); err != nil {
		return nil, err
	}
	return keyring.Open(ctx, c)
}

// masterKey reads the master key. The first start creates it. Once it has sealed
// something, a new one would be of no use.
func masterKey(ctx context.Context, p parts) (keyring.Master, error) {
	path := p.config.MasterKeyPath()
	m, err := keyring.ReadMaster(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	keys, storeErr := p.store.SigningKeys(ctx)
	if storeErr != nil {
		return m, storeErr
	}
	if err := MissingMaster(p.config, keys, err); err != nil {
		return m, err
	}
	m, err = keyring.MakeMaster(path)
	if errors.Is(err, fs.ErrExist) {
		return keyring.ReadMaster(path) // another process was faster
	}
	if err == nil {
		p.logger.LogAttrs(ctx, slog.LevelInfo, "made the master key; keep a copy of it apart from the backups", slog.String("file", path))
	}
	return m, err
}

// MissingMaster returns why no master key may be created in place of one that is missing,
// which err says; nil for the first start of a node that has a database of its own.
func MissingMaster(c config.Config, keys []keyring.Key, err error) error {
	switch {
	case c.Database.IsPostgres():
		return noSharedMaster(c.MasterKeyPath(), err)
	case len(keys) > 0:
		return lostMaster(err)
	}
	return nil
}

// lostMaster is the error for a database whose signing keys can't be opened.
func lostMaster(err error) error {
	return hint.Add(fmt.Errorf("the master key is missing, and the database has signing keys that only it opens: %w", err),
		"put the file back from where you keep it safe, or name it in master_key_file")
}

// noSharedMaster is the error for a database of many nodes, where none of them may create
// a master key of its own.
func noSharedMaster(path string, err error) error {
	return hint.Add(fmt.Errorf("the master key is missing, and all nodes of a PostgreSQL database need the same: %w", err),
		"create one with \"bearerd keys master %s\", once, and copy it to every node", path)
}
