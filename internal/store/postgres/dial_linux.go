package postgres

import (
	"errors"
	"syscall"
)

// limitSilence makes a connection fail when sent data is not acknowledged for deadLine.
// Keep-alives alone don't do that: none are sent while data is on its way.
func limitSilence(network, _ string, c syscall.RawConn) error {
	const tcpUserTimeout = 18 // TCP_USER_TIMEOUT, which package syscall lacks
	if network == "unix" {
		return nil
	}
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(deadLine.Milliseconds()))
	})
	return errors.Join(err, failed)
}
