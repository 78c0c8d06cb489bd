package main

import (
	"context"
	"log/slog"

	"github.com/bearerd/bearerd/internal/server"
)

// loops are what the server does beside its requests.
func (i *instance) loops(logger *slog.Logger) ([]server.Loop, error) {
	var loops []server.Loop
	if i.config.Database.IsPostgres() {
		loops = append(loops, server.Loop{Name: "watching the list of nodes", Run: i.WatchNodes})
	}
	if i.config.Database.IsPostgres() {
		loops = append(loops, server.Loop{Name: "listening for revocations", Run: i.listen})
	}
	if i.config.Webhook.URL != "" {
		secret, err := readWebhookSecret(i.config)
		if err != nil {
			return nil, err
		}
		h := &server.Webhook{Issuance: i.Issuance, URL: i.config.Webhook.URL, Secret: secret, Log: logger}
		loops = append(loops, server.Loop{Name: "telling of tokens that end soon", Run: h.Run})
	}
	return loops, nil
}

// listen makes the node ask for the log as soon as another has added to it.
func (i *instance) listen(ctx context.Context) error { return i.store.Listen(ctx, i.follower.Wake) }
