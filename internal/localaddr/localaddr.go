// Package localaddr has the addresses that only programs of this machine can connect to: a
// Unix socket, unix:PATH, or host:port on loopback.
package localaddr

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Address is one of them. The zero value is none.
type Address struct {
	network, at string
}

// maxPath is how long the path of a Unix socket may be on every system.
const maxPath = 103

// socketMode lets the owner and the group of a socket connect: a proxy in front is made a
// member of the group.
const socketMode = 0o660

// Parse reads unix:PATH or host:port. The error says what is wrong.
func Parse(text string) (Address, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		switch {
		case path == "" || path[0] == '@' || strings.HasSuffix(path, "/") || strings.ContainsRune(path, 0):
			return Address{}, errors.New("unix: must be followed by the name of a file")
		case len(path) > maxPath:
			return Address{}, fmt.Errorf("the path of a Unix socket may have %d bytes, and this has %d", maxPath, len(path))
		}
		return Address{"unix", path}, nil
	}
	host, port, err := net.SplitHostPort(text)
	if _, errPort := strconv.ParseUint(port, 10, 16); err != nil || errPort != nil {
		return Address{}, fmt.Errorf("must be unix:PATH or host:port on loopback, not %q", text)
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.Unmap().IsLoopback()) {
		return Address{}, fmt.Errorf("must be on loopback, such as 127.0.0.1, or unix:PATH: %q is not", host)
	}
	return Address{"tcp", text}, nil
}

// IsUnix reports whether the address is a Unix socket.
func (a Address) IsUnix() bool { return a.network == "unix" }

// String returns the address as Parse reads it.
func (a Address) String() string {
	if a.IsUnix() {
		return "unix:" + a.at
	}
	return a.at
}

// Listen opens the address. A socket that a process left behind is removed; if a process
// still listens on it, the error is syscall.EADDRINUSE. Closing the listener removes its
// socket.
func (a Address) Listen(ctx context.Context) (net.Listener, error) {
	if !a.IsUnix() {
		return a.listenTCP(ctx)
	}
	if err := removeStale(ctx, a.at); err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, a.network, a.at)
	if err != nil {
		return nil, err //nolint:wrapcheck // as the system says it
	}
	if err := os.Chmod(a.at, socketMode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (a Address) listenTCP(ctx context.Context) (net.Listener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	l, err := config.Listen(ctx, a.network, a.at)
	if err != nil {
		return nil, err //nolint:wrapcheck // as the system says it
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() { // localhost is resolved by the system
		return nil, errors.Join(fmt.Errorf("%s is not on loopback", l.Addr()), l.Close())
	}
	return l, nil
}

// removeStale removes a socket on which no process listens.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there, and is no socket", path)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return errors.Join(&net.OpError{Op: "listen", Net: "unix", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}, conn.Close())
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("asking whether somebody listens: %w", err)
	}
	return os.Remove(path)
}
