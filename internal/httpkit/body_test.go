package httpkit_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/httpkit"
)

// stepTimeout is for what must happen at once, on a busy machine.
const stepTimeout = 20 * time.Second

// dial opens a connection to a handler behind BoundBodies.
func dial(t *testing.T, timeout time.Duration, h http.HandlerFunc) (net.Conn, *bufio.Reader) {
	t.Helper()
	server := httptest.NewServer(httpkit.BoundBodies(timeout, h))
	t.Cleanup(server.Close)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(stepTimeout)); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

// rawAnswer is an answer that was read off a connection.
type rawAnswer struct {
	status int
	closes bool // whether the connection ends with it
	body   string
}

// answerTo sends text and returns the answer.
func answerTo(t *testing.T, conn io.Writer, buf *bufio.Reader, text string) rawAnswer {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(buf, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	return rawAnswer{res.StatusCode, res.Close, string(body)}
}

// TestAnAnswerDoesNotWaitForABodyThatNobodyReads announces bodies and never sends them.
func TestAnAnswerDoesNotWaitForABodyThatNobodyReads(t *testing.T) {
	t.Parallel()
	handlers := map[string]http.HandlerFunc{
		"nothing written": func(http.ResponseWriter, *http.Request) {},
		"a refusal":       func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) },
		"a flushed answer": func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "text")
		},
		"a copied answer": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, strings.NewReader("text")) },
		"a closed body":   func(_ http.ResponseWriter, r *http.Request) { _ = r.Body.Close() },
		"full duplex": func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			_, _ = io.WriteString(w, "text")
		},
		"full duplex with a read under way": func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			go func() { _, _ = io.Copy(io.Discard, r.Body) }()
			_, _ = io.WriteString(w, "text")
		},
	}
	for name, h := range handlers {
		for _, announced := range []string{"Content-Length: 77", "Content-Length: 999999999", "Transfer-Encoding: chunked", "Content-Length: 9\r\nExpect: 100-continue"} {
			conn, buf := dial(t, time.Hour, h)
			a := answerTo(t, conn, buf, "POST / HTTP/1.1\r\nHost: x\r\n"+announced+"\r\n\r\n")
			if a.status/100 == 5 || !a.closes {
				t.Errorf("%s, %s: %d, closes: %t", name, announced, a.status, a.closes)
			}
			if _, err := buf.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("%s, %s: the connection goes on: %v", name, announced, err)
			}
		}
	}
}

// TestABodyThatNobodyReadIsNoRequest sends a body that reads as a request.
func TestABodyThatNobodyReadIsNoRequest(t *testing.T) {
	t.Parallel()
	for _, duplex := range []bool{false, true} {
		conn, buf := dial(t, time.Hour, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/inner" {
				t.Error("the body was served as a request")
			}
			if duplex {
				_ = http.NewResponseController(w).EnableFullDuplex()
			}
			w.WriteHeader(http.StatusForbidden)
		})
		inner := "GET /inner HTTP/1.1\r\nHost: x\r\n\r\n"
		answerTo(t, conn, buf, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n"+inner)
		if rest, err := io.ReadAll(buf); err != nil || len(rest) > 0 {
			t.Errorf("another answer follows: %q %v", rest, err)
		}
	}
}

// TestAClientThatIsStillSendingSeesTheAnswer sends more than the handler reads: the
// connection must not be cut under the answer.
func TestAClientThatIsStillSendingSeesTheAnswer(t *testing.T) {
	t.Parallel()
	conn, buf := dial(t, time.Hour, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) })
	const size = 200 << 10
	if a := answerTo(t, conn, buf, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 204800\r\n\r\n"+strings.Repeat("x", size)); a.body != "no\n" {
		t.Errorf("the answer is %q", a.body)
	}
}

// TestASlowBodyIsGivenUp sends a part of a body and no more.
func TestASlowBodyIsGivenUp(t *testing.T) {
	t.Parallel()
	read := make(chan error, 1)
	conn, buf := dial(t, 50*time.Millisecond, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		read <- err
		w.WriteHeader(http.StatusBadRequest)
	})
	if a := answerTo(t, conn, buf, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf"); !a.closes {
		t.Error("the connection goes on")
	}
	if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading ended with %v", err)
	}
}

// TestAConnectionGoesOnBehindABodyThatWasRead uses one connection for three requests. The
// last has chunks, behind which nobody may look for another request.
func TestAConnectionGoesOnBehindABodyThatWasRead(t *testing.T) {
	t.Parallel()
	conn, buf := dial(t, time.Hour, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		_, _ = w.Write(text)
	})
	for _, announced := range []string{"Content-Length: 4\r\n\r\nbody", "Content-Length: 4\r\n\r\nbody", "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"} {
		a := answerTo(t, conn, buf, "POST / HTTP/1.1\r\nHost: x\r\n"+announced)
		if chunked := strings.HasPrefix(announced, "T"); a.body != "body" || a.closes != chunked {
			t.Errorf("%q: %q, closes: %t", announced, a.body, a.closes)
		}
	}
}

// deadlines records the read deadlines that are set on a connection.
type deadlines struct {
	*httptest.ResponseRecorder

	set []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error { d.set = append(d.set, t); return nil }
func (d *deadlines) EnableFullDuplex() error           { return nil }

// kinds are n for none, p for one that has passed, f for one in the future.
func (d *deadlines) kinds() string {
	kinds := ""
	for _, t := range d.set {
		switch {
		case t.IsZero():
			kinds += "n"
		case time.Until(t) < 0:
			kinds += "p"
		default:
			kinds += "f"
		}
	}
	return kinds
}

// TestEachPartOfABodyHasItsDeadline reads bodies of three parts, in pieces.
func TestEachPartOfABodyHasItsDeadline(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("x", 3*httpkit.MaxBody-1)
	readAll := func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }
	for name, tt := range map[string]struct {
		serve http.HandlerFunc
		want  string
	}{
		"read to the end":        {readAll, "fffn"},
		"not read":               {func(http.ResponseWriter, *http.Request) {}, "pp"},
		"read in part":           {func(_ http.ResponseWriter, r *http.Request) { _, _ = r.Body.Read(make([]byte, 9)) }, "fpp"},
		"read, once it answered": {func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(nil); readAll(w, r) }, "pn"},
		"full duplex": {func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			_, _ = r.Body.Read(make([]byte, 9))
			_, _ = w.Write(nil)
			readAll(w, r)
		}, "fnn"},
	} {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest(http.MethodPost, "/", inPieces(body))
		r.ContentLength = int64(len(body))
		httpkit.BoundBodies(time.Hour, tt.serve).ServeHTTP(w, r)
		if got := w.kinds(); got != tt.want {
			t.Errorf("%s: deadlines %s, want %s", name, got, tt.want)
		}
	}
}

// inPieces reads a text in pieces of a KiB.
func inPieces(text string) io.Reader { return pieces{strings.NewReader(text)} }

type pieces struct{ io.Reader }

func (p pieces) Read(b []byte) (int, error) { return p.Reader.Read(b[:min(len(b), 1<<10)]) }

func TestARequestWithoutABodyIsServedAsItCame(t *testing.T) {
	t.Parallel()
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	httpkit.BoundBodies(time.Hour, http.HandlerFunc(func(gotW http.ResponseWriter, gotR *http.Request) {
		if gotW != http.ResponseWriter(w) || gotR != r {
			t.Error("it is wrapped")
		}
	})).ServeHTTP(w, r)
}

func TestAConnectionThatWasTakenOverIsLeftAlone(t *testing.T) {
	t.Parallel()
	conn, buf := dial(t, time.Hour, func(w http.ResponseWriter, _ *http.Request) {
		conn, both, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		go func() { // goes on when the handler has returned
			line, _ := both.ReadString('\n')
			_, _ = io.WriteString(conn, strings.ToUpper(line))
			_ = conn.Close()
		}()
	})
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "one\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := buf.ReadString('\n'); line != "ONE\n" {
		t.Errorf("%q %v", line, err)
	}
}

func TestABodyThatWasReadAheadIsReadOnceMore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		size, limit int
		whole       bool
	}{{0, 10, true}, {10, 10, true}, {11, 10, false}, {100_000, 10, false}} {
		sent := strings.Repeat("x", c.size)
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(sent))
		read, whole, err := httpkit.ReadAhead(r, int64(c.limit))
		if err != nil || whole != c.whole || string(read) != sent[:min(c.size, c.limit+1)] {
			t.Errorf("%d bytes: read %d, whole %v, %v", c.size, len(read), whole, err)
		}
		got, err := io.ReadAll(r.Body)
		if err != nil || string(got) != sent {
			t.Errorf("%d bytes: afterwards there are %d, %v", c.size, len(got), err)
		}
	}
}
