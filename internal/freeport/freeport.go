// Package freeport chooses ports for the programs that a test starts.
package freeport

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// The ports are below those that systems assign to programs that listen on port 0 or
// connect (from 32768 on Linux, from 49152 by RFC 6335, section 6). A port of that range
// could be given to another test between the choice and the start of the program.
const (
	first = 15000
	count = 15000
)

var chosen = struct {
	sync.Mutex

	ports map[int]bool
}{ports: map[int]bool{}}

// Choose returns a TCP port of 127.0.0.1 on which nobody listens. No port is returned twice
// in one process. It fails when a thousand ports in turn were in use.
func Choose() (int, error) {
	chosen.Lock()
	defer chosen.Unlock()
	for range 1000 {
		port := first + rand.IntN(count) //nolint:gosec // nothing depends on this being unknown
		if chosen.ports[port] {
			continue
		}
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		chosen.ports[port] = true
		return port, l.Close()
	}
	return 0, errors.New("no free port was found")
}

// Port is Choose for a test, in decimal.
func Port(t testing.TB) string {
	t.Helper()
	port, err := Choose()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}

// Address returns 127.0.0.1 with a port as Choose returns it.
func Address(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", Port(t))
}
