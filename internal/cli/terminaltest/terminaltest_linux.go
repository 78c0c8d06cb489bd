// Package terminaltest has a terminal for tests of what is printed on one and asked for
// at one.
package terminaltest

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Open returns both ends of a pseudo-terminal: what a person sees and types at,
// and what a program has for standard input.
func Open(tb testing.TB) (person, program *os.File) {
	tb.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		tb.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		tb.Fatal(err)
	}
	program, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = program.Close() })
	return person, program
}

// ReadUntil adds to got what is read, until that ends with a text.
func ReadUntil(tb testing.TB, r io.Reader, got *strings.Builder, end string) {
	tb.Helper()
	buf := make([]byte, 256)
	for !strings.HasSuffix(got.String(), end) {
		n, err := r.Read(buf)
		got.Write(bytes.ReplaceAll(buf[:n], []byte("\r"), nil))
		if err != nil {
			tb.Fatalf("%v after %q, waiting for %q", err, got.String(), end)
		}
	}
}
