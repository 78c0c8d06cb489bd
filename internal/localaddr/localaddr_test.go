package localaddr_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bearerd/bearerd/internal/localaddr"
)

func TestOnlyAddressesOfThisMachine(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"unix:/run/bearerd/verify.sock", "unix:verify.sock", "127.0.0.1:8081", "127.8.0.1:0", "[::1]:8081", "localhost:8081"} {
		if a, err := localaddr.Parse(good); err != nil || a.String() != good {
			t.Errorf("%s: %v, %v", good, a, err)
		}
	}
	for _, bad := range []string{
		"", "unix:", "unix:@abstract", "unix:/run/", "unix:/a\x00b", "unix:/" + strings.Repeat("a", 103),
		":8081", "0.0.0.0:8081", "[::]:8081", "192.0.2.1:8081", "example.org:8081", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:65536",
		"[::ffff:192.0.2.1]:8081", "localhost.example:1", "/run/verify.sock",
	} {
		if a, err := localaddr.Parse(bad); err == nil {
			t.Errorf("%q was taken for %v", bad, a)
		}
	}
}

func TestASocketIsForItsOwnerAndGroup(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	l := listen(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("closing left the socket behind: %v", err)
	}
}

func TestASocketThatWasLeftBehindIsReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	l, ok := listen(t, path).(*net.UnixListener)
	if !ok {
		t.Fatal("no Unix listener")
	}
	l.SetUnlinkOnClose(false) // as a process that was killed
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_ = listen(t, path).Close()
}

func TestASocketInUseStays(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	l := listen(t, path)
	defer func() { _ = l.Close() }()
	if _, err := address(t, path).Listen(t.Context()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second listener: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestAFileIsNeverRemoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := address(t, path).Listen(t.Context()); err == nil {
		t.Error("listens on a file")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("%q, %v", text, err)
	}
}

func address(t *testing.T, path string) localaddr.Address {
	t.Helper()
	a, err := localaddr.Parse("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func listen(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := address(t, path).Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l
}
