package gen3

import (
	"errors"
	"fmt"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
)

// tradeError is a refusal to trade an API key, with the type of task token that was asked
// for, "" for none.
type tradeError struct {
	taskType string
	err      error
}

func (e *tradeError) Error() string { return e.err.Error() }
func (e *tradeError) Unwrap() error { return e.err }

// message returns the message of a refusal: the original's text where its clients show it
// to people and scripts look for it, and otherwise the core's.
func message(err error) string {
	if scope, ok := errors.AsType[*issuance.ScopeError](err); ok {
		return fmt.Sprintf("Scope %s is not supported: %s", scope.Name, fault.Message(err))
	}
	if left, ok := errors.AsType[*issuance.OutlivesError](err); ok {
		return fmt.Sprintf("Cannot issue an access token that would expire after the provided API key does. "+
			"Please obtain a new API key and try again, or ask for at most %d seconds", left.Max)
	}
	trade, ok := errors.AsType[*tradeError](err)
	switch {
	case fault.Is(err, fault.Unauthenticated):
		return "Please login"
	case !ok:
		return fault.Message(err)
	case errors.Is(err, issuance.ErrTaskType):
		return fmt.Sprintf("Invalid 'task_token' value '%.64s'", trade.taskType)
	case errors.Is(err, issuance.ErrTaskPermission):
		return fmt.Sprintf("You do not have access to obtain '%s' tokens", trade.taskType)
	case errors.Is(err, issuance.ErrLifetime):
		return "You do not have access to the token lifetime you requested: " + fault.Message(err)
	}
	return fault.Message(err)
}
