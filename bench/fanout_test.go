package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// fanOut is the control of what bearerd does for verifiers that confirm: it writes the same
// bytes to as many streams, as often, and counts as many confirmations, with nothing behind
// it: no token, no lease, no log, no database.
type fanOut struct {
	streams atomic.Int64

	mu        sync.Mutex
	seq       int64
	news      chan struct{} // closed with each heartbeat
	confirmed int64         // of seq
	all       chan struct{} // closed when all have confirmed seq
}

const (
	fanOutBeat = 500 * time.Millisecond // L/4
	fanOutPace = 50 * time.Microsecond  // a stream, as in bearerd
)

func newFanOut() http.Handler {
	f := &fanOut{news: make(chan struct{})}
	go func() {
		for range time.Tick(fanOutBeat) {
			f.mu.Lock()
			f.wake()
			f.mu.Unlock()
		}
	}()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /auth/revocations", f.stream)
	mux.HandleFunc("POST /auth/revocations/confirm", f.confirm)
	mux.HandleFunc("POST /oauth2/revoke", f.revoke)
	return mux
}

func (f *fanOut) wake() {
	close(f.news)
	f.news = make(chan struct{})
}

func (f *fanOut) stream(w http.ResponseWriter, r *http.Request) {
	pace := max(20, (time.Duration(f.streams.Add(1)) * fanOutPace).Milliseconds())
	defer f.streams.Add(-1)
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = fmt.Fprintf(w, "retry: 500\n\nevent: hello\ndata: {\"node\":\"%036d\",\"stream\":\"%026d\",\"staleness\":2,\"pace_ms\":%d}\n\n", 0, 0, pace)
	told := int64(-1)
	for {
		f.mu.Lock()
		seq, news := f.seq, f.news
		f.mu.Unlock()
		if told >= 0 && seq > told {
			_, _ = fmt.Fprintf(w, "event: revocation\nid: %[1]d\ndata: {\"seq\":%[1]d,\"what\":\"token\",\"id\":\"%036[1]d\",\"until\":\"2026-11-29T12:00:00Z\",\"at\":\"2026-11-29T10:00:00.000000Z\"}\n\n", seq)
		}
		told = seq
		_, _ = fmt.Fprintf(w, "event: heartbeat\nid: %[1]d\ndata: {\"seq\":%[1]d,\"as_of\":%d}\n\n", seq, time.Now().UnixMicro()%1e9)
		if control.Flush() != nil {
			return
		}
		select {
		case <-news:
		case <-r.Context().Done():
			return
		}
	}
}

func (f *fanOut) confirm(w http.ResponseWriter, r *http.Request) {
	var body struct{ Seq int64 }
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	if body.Seq == f.seq && f.all != nil {
		if f.confirmed++; f.confirmed == f.streams.Load() {
			close(f.all)
			f.all = nil
		}
	}
	f.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func (f *fanOut) revoke(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	f.seq++
	f.confirmed = 0
	all := make(chan struct{})
	f.all = all
	f.wake()
	f.mu.Unlock()
	<-all
	_, _ = fmt.Fprint(w, `{"revoked":true}`)
}
