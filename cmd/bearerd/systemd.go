package main

import (
	"context"
	"fmt"
	"net"
	"strings"
)

// tellManager notifies the service manager that started this process what has become
// of it, as sd_notify(3) describes. Where none asked to be told, nothing is done.
func (p *program) tellManager(ctx context.Context, state string) error {
	for _, variable := range p.env {
		socket, asked := strings.CutPrefix(variable, "NOTIFY_SOCKET=")
		if !asked {
			continue
		}
		conn, err := new(net.Dialer).DialContext(ctx, "unixgram", socket)
		if err != nil {
			return fmt.Errorf("notifying the service manager of %s: %w", state, err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := conn.Write([]byte(state)); err != nil {
			return fmt.Errorf("notifying the service manager of %s: %w", state, err)
		}
	}
	return nil
}
