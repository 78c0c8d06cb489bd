package httpkit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/bearerd/bearerd/internal/fault"
)

// HandlerFunc serves a request, or returns the error that its edge renders. It returns an
// error only when it has written nothing, or when what it has written is not a complete
// response.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// ErrorWriter writes the response to an error in the format of one edge. Nothing has been
// written to w when it is called.
type ErrorWriter func(w http.ResponseWriter, r *http.Request, err error)

// HeaderRequestID is the header with the request's id, in responses that refuse the
// request and in requests of a trusted proxy.
const HeaderRequestID = "X-Request-Id"

// statusGone is logged when the client didn't wait for the response.
const statusGone = 499

// Handle adapts fn to net/http. An error goes to the request's [Event] and to onError; a
// panic does too, as an internal error whose stack only the log sees, except for
// http.ErrAbortHandler, which is passed on. When the response has already begun, the
// connection is closed instead, so that half a response is never taken for a complete
// one.
func Handle(fn HandlerFunc, onError ErrorWriter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := record(w)
		err := call(fn, rec, r)
		if err == nil {
			return
		}
		fail(rec, r, err, onError)
	})
}

// Fail answers a request with an error as the handlers of [Handle] do. Nothing may have been
// written to w.
func Fail(w http.ResponseWriter, r *http.Request, err error, onError ErrorWriter) {
	fail(record(w), r, err, onError)
}

func fail(rec *recorder, r *http.Request, err error, onError ErrorWriter) {
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
}

// Recover turns a panic of the calling function into its error, with the stack for the log
// alone; it is deferred. It panics again with http.ErrAbortHandler.
func Recover(err *error) {
	if v := recover(); v != nil {
		*err = panicked(v)
	}
}

// call runs fn and turns a panic into an error.
func call(fn HandlerFunc, w http.ResponseWriter, r *http.Request) (err error) {
	defer Recover(&err)
	return fn(w, r)
}

// panicError is a panic as an error, for the log.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// panicked returns a recovered value as an error; it panics again with
// http.ErrAbortHandler.
func panicked(v any) error {
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	return &panicError{value: v, stack: debug.Stack()}
}

// gone reports whether the request failed only because its client went away, which is not
// an error.
func gone(r *http.Request, err error) bool {
	return r.Context().Err() != nil && errors.Is(err, context.Canceled) && fault.Is(err, fault.Internal)
}
