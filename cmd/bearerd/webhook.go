package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/bearerd/bearerd/internal/config"
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
