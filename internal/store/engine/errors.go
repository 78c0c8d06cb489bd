package engine

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
)

// When to try again after an error.
const (
	Soon  = time.Second     // another process is writing, or connections are lost
	Later = 5 * time.Second // the operator must do something, such as about a full disk
)

// The errors that are the same for every engine.
var (
	// ErrClosed is the error of everything that is begun after Close.
	ErrClosed = fault.After(fault.Unavailable, Later, "the store is closed")
	// ErrElsewhere is the error of a connection that leads to another server than the one that
	// is followed.
	ErrElsewhere = fault.After(fault.Unavailable, Soon, "the database's name leads to more than one server")
	// ErrForeign is the error of a database that has tables of another program.
	ErrForeign = errors.New("it is the database of another program")
	// ErrPanic is the error of work that has panicked.
	ErrPanic = errors.New("panic in a transaction")
)

// Unavailable returns a fault whose cause is for the operator's log, and whose message is for
// the client.
func Unavailable(cause error, message string, wait time.Duration) error {
	f := fault.Wrap(cause, fault.Unavailable, "%s", message)
	f.RetryAfter = wait
	return f
}

// Guarded turns a panic into ErrPanic, so that the transaction is rolled back properly.
func Guarded(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", ErrPanic, p, debug.Stack())
		}
	}()
	return do()
}
