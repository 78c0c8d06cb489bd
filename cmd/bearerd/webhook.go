package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/server"
)

// readWebhookSecret reads the secret that signs what the webhook is sent; nil when
// none is named.
func readWebhookSecret(c config.Config) ([]byte, error) {
	if c.Webhook.SecretFile == "" {
		return nil, nil
	}
	f, err := os.Open(c.Webhook.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("webhook.secret_file: %w", err)
	}
	secret, err := readAll(f)
	if err == nil && len(secret) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return nil, fmt.Errorf("webhook.secret_file: %s: %w", c.Webhook.SecretFile, err)
	}
	return secret, nil
}

// loops are what the server does beside its requests.
func (i *instance) loops(logger *slog.Logger) ([]server.Loop, error) {
	if i.config.Webhook.URL == "" {
		return nil, nil
	}
	secret, err := readWebhookSecret(i.config)
	if err != nil {
		return nil, err
	}
	h := &server.Webhook{Authority: i.Authority, URL: i.config.Webhook.URL, Secret: secret, Log: logger}
	return []server.Loop{{Name: "telling of tokens that end soon", Run: h.Run}}, nil
}
