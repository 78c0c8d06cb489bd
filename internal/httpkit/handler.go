package httpkit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/bearerd/bearerd/internal/fault"
)

// HandlerFunc serves a request, or returns the error that its edge renders. It
// returns an error only when it has written nothing, or when what it has
// written must not be taken for a whole answer.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// ErrorWriter writes the answer to an error in the words of one edge. Nothing
// has been written to w when it is called.
type ErrorWriter func(w http.ResponseWriter, r *http.Request, err error)

// HeaderRequestID names the request in answers that refuse it and in what a
// trusted proxy sends.
const HeaderRequestID = "X-Request-Id"

// statusGone stands in the log for a client that didn't wait for its answer.
const statusGone = 499

// Handle adapts fn to net/http. An error goes to the request's [Event] and to
// onError; a panic does too, as an internal error whose stack only the log
// sees, except for http.ErrAbortHandler, which is passed on. When the answer
// has already begun, the connection is cut instead, so that half an answer is
// never taken for a whole one.
func Handle(fn HandlerFunc, onError ErrorWriter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := record(w)
		err := call(fn, rec, r)
		if err == nil {
			return
		}
		event := EventOf(r.Context())
		if gone(r, err) {
			event.Outcome = "cancelled"
			rec.WriteHeader(statusGone)
			return
		}
		event.Fail(err)
		if rec.begun() {
			panic(http.ErrAbortHandler)
		}
		if id := event.RequestID(); id != "" {
			rec.Header().Set(HeaderRequestID, id)
		}
		onError(rec, r, err)
	})
}

// call runs fn and turns a panic into an error.
func call(fn HandlerFunc, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	return fn(w, r)
}

// panicError is a panic on its way to the log.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// panicked makes an error of a recovered value; the one panic that net/http
// itself asks for goes on.
func panicked(v any) error {
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	return &panicError{value: v, stack: debug.Stack()}
}

// gone reports whether the request failed only because its client went away,
// which is nobody's error.
func gone(r *http.Request, err error) bool {
	return r.Context().Err() != nil && errors.Is(err, context.Canceled) && fault.Is(err, fault.Internal)
}
