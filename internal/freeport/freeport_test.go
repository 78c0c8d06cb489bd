package freeport_test

import (
	"net"
	"strconv"
	"testing"

	"github.com/bearerd/bearerd/internal/freeport"
)

// A port is free, is returned once, and is none that the system assigns to others meanwhile.
func TestPortsAreFreeAndGivenOnce(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 200 {
		port := freeport.Port(t)
		if n, err := strconv.Atoi(port); err != nil || n < 1024 || n >= 32768 || seen[port] {
			t.Fatalf("port %q: it was given before, or the system could give it to others", port)
		}
		seen[port] = true
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", freeport.Address(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
