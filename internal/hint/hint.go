// Package hint adds advice to errors: what the person who reads the error can do about it.
package hint

import (
	"errors"
	"fmt"
)

// hintedError is an error with advice.
type hintedError struct {
	error
	hint string
}

func (e *hintedError) Unwrap() error { return e.error }

// Add adds to an error what to do about it. The text of the error stays as it was.
func Add(err error, text string, args ...any) error {
	return &hintedError{error: err, hint: fmt.Sprintf(text, args...)}
}

// Of returns the outermost hint of an error, and "" for an error that has none.
func Of(err error) string {
	if h, ok := errors.AsType[*hintedError](err); ok {
		return h.hint
	}
	return ""
}
