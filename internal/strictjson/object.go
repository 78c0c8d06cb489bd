package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Object is an unambiguous JSON object: its members by their exact names, each a valid
// value that is not decoded yet.
type Object map[string]json.RawMessage

// ErrMember is the cause of errors about a member that is missing or of another type.
var ErrMember = errors.New("is missing or of another type")

// Parse reads text as one JSON object of at most 8 levels and 4096 members.
func Parse(text []byte) (Object, error) {
	o := Object{}
	err := ReadObject(string(text), maxMembers, func(s *Scanner, name string) error {
		s.Peek()
		start := s.i
		err := s.Skip()
		o[name] = json.RawMessage(s.s[start:s.i])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading a JSON object: %w", err)
	}
	return o, nil
}

// Has reports whether a member is there and isn't null.
func (o Object) Has(name string) bool { return o[name] != nil && string(o[name]) != "null" }

// Read decodes a member that must be there.
func (o Object) Read(name string, into any) error {
	if !o.Has(name) || json.Unmarshal(o[name], into) != nil {
		return fmt.Errorf("%q %w", name, ErrMember)
	}
	return nil
}

// Optional decodes a member that may be absent or null.
func (o Object) Optional(name string, into any) error {
	if !o.Has(name) {
		return nil
	}
	return o.Read(name, into)
}

// Strings decodes a member that is a string or a list of strings.
func (o Object) Strings(name string) ([]string, error) {
	var one string
	if !o.Has(name) {
		return nil, nil
	}
	if json.Unmarshal(o[name], &one) == nil {
		return []string{one}, nil
	}
	var list []string
	err := o.Read(name, &list)
	return list, err
}

// maxUnix bounds times on the wire, in seconds.
const maxUnix = 1 << 53

// Instant decodes Unix seconds; absent or 0 is the zero time.
func (o Object) Instant(name string) (time.Time, error) {
	var n int64
	if err := o.Optional(name, &n); err != nil {
		return time.Time{}, err
	}
	if n < 0 || n > maxUnix {
		return time.Time{}, fmt.Errorf("%q %w", name, ErrMember)
	}
	if n == 0 {
		return time.Time{}, nil
	}
	return time.Unix(n, 0).UTC(), nil
}
