package config

import (
	"errors"
	"fmt"

	"github.com/bearerd/bearerd/internal/foreign"
)

// ForeignToken is the shape of another system's tokens that were imported: a pattern for
// all of a value, or what every value begins with.
type ForeignToken struct {
	Name    string `yaml:"name"`
	Pattern string `yaml:"pattern"`
	Prefix  string `yaml:"prefix"`
}

// ForeignShapes compiles the shapes of other systems' tokens. The error is a
// *foreign.ShapeError for one that can't be recognised safely beside the others and the
// forms of bearerd's own tokens.
func (c Config) ForeignShapes(own ...foreign.Own) (*foreign.Shapes, error) {
	shapes := make([]foreign.Shape, len(c.ForeignTokens))
	for i, t := range c.ForeignTokens {
		shapes[i] = foreign.Shape(t)
	}
	return foreign.New(shapes, own...)
}

func (c Config) checkForeignTokens(k *checker) {
	_, err := c.ForeignShapes()
	if wrong, ok := errors.AsType[*foreign.ShapeError](err); ok {
		k.fail(fmt.Sprintf("foreign_tokens[%d].%s", wrong.Index, wrong.Member), "", "%s", wrong.Reason)
	} else if err != nil {
		k.fail("foreign_tokens", "", "%s", err)
	}
}
