package server

import (
	"errors"
	"math"
	"net"

	"golang.org/x/sys/unix"
)

// deafen makes the system ignore new connection requests to a listener from now on. Their
// clients try again a second later, and are refused or reach the next process.
// Connections that are established, or about to be, aren't affected.
func deafen(l *net.TCPListener) error {
	// The filter sees the header of TCP, where this byte has the flags. A connection
	// request has SYN without ACK.
	const flags, syn, ack = 13, 0x02, 0x10
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: syn | ack},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: syn, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0}, // nothing of it passes
		{Code: unix.BPF_RET | unix.BPF_K, K: math.MaxUint32},
	}
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{
			Len: uint16(len(filter)), Filter: &filter[0], //nolint:gosec // five
		})
	})
	return errors.Join(err, failed)
}
