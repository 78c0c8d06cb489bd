package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bearerd/bearerd/internal/token"
)

// object is a JSON object that has one reading: no member twice, names compared as
// they are.
type object map[string]json.RawMessage

var errMember = errors.New("is missing or of another type")

func parseObject(text []byte) (object, error) {
	if err := token.CheckObject(text); err != nil {
		return nil, fmt.Errorf("reading a JSON object: %w", err)
	}
	var o object
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, fmt.Errorf("reading a JSON object: %w", err)
	}
	return o, nil
}

// has reports whether a member is there and isn't null.
func (o object) has(name string) bool { return o[name] != nil && string(o[name]) != "null" }

// read decodes a member that must be there.
func (o object) read(name string, into any) error {
	if !o.has(name) || json.Unmarshal(o[name], into) != nil {
		return fmt.Errorf("%q %w", name, errMember)
	}
	return nil
}

// optional decodes a member that may be absent or null.
func (o object) optional(name string, into any) error {
	if !o.has(name) {
		return nil
	}
	return o.read(name, into)
}

// strings decodes a member that is a string or a list of strings.
func (o object) strings(name string) ([]string, error) {
	var one string
	if !o.has(name) {
		return nil, nil
	}
	if json.Unmarshal(o[name], &one) == nil {
		return []string{one}, nil
	}
	var list []string
	err := o.read(name, &list)
	return list, err
}

// maxUnix bounds times on the wire, in seconds.
const maxUnix = 1 << 53

// instant decodes Unix seconds; absent or 0 is the zero time.
func (o object) instant(name string) (time.Time, error) {
	var n int64
	if err := o.optional(name, &n); err != nil {
		return time.Time{}, err
	}
	if n < 0 || n > maxUnix {
		return time.Time{}, fmt.Errorf("%q %w", name, errMember)
	}
	if n == 0 {
		return time.Time{}, nil
	}
	return time.Unix(n, 0).UTC(), nil
}

// firstError gives the first of the errors that is one.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
