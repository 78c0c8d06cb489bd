package hint_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/bearerd/bearerd/internal/hint"
)

func TestAHintIsBesideTheError(t *testing.T) {
	t.Parallel()
	cause := errors.New("there is no user ada")
	err := fmt.Errorf("apply: %w", hint.Add(cause, "see %q", "bearerd user list"))
	if err.Error() != "apply: there is no user ada" || !errors.Is(err, cause) {
		t.Errorf("the error is %q", err)
	}
	if got := hint.Of(err); got != `see "bearerd user list"` {
		t.Errorf("its hint is %q", got)
	}
	if got := hint.Of(hint.Add(err, "outer")); got != "outer" {
		t.Errorf("the outermost hint is %q", got)
	}
	if got := hint.Of(cause); got != "" {
		t.Errorf("an error without a hint has %q", got)
	}
}
