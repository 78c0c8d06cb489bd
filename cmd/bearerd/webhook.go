package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"

	"github.com/bearerd/bearerd/internal/server"
)

// loops are what runs beside the server: the webhook, where there is one.
func (i *instance) loops(logger *slog.Logger) ([]server.Loop, error) {
	c := i.config.Webhook
	if c.URL == "" {
		return nil, nil
	}
	hook := &server.Webhook{Authority: i.Authority, URL: c.URL, Log: logger}
	if c.SecretFile != "" {
		secret, err := os.ReadFile(c.SecretFile)
		if err != nil {
			return nil, fmt.Errorf("webhook.secret_file: %w", err)
		}
		if hook.Secret = bytes.TrimSuffix(secret, []byte("\n")); len(hook.Secret) == 0 {
			return nil, fmt.Errorf("webhook.secret_file: %s is empty", c.SecretFile)
		}
	}
	return []server.Loop{{Name: "webhook", Run: hook.Run}}, nil
}
