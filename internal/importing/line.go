package importing

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/networks"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
)

// The members of a line.
const (
	memberValue      = "value"
	memberSHA256     = "sha256"
	memberSHA512     = "sha512"
	memberOwner      = "owner"
	memberName       = "name"
	memberScope      = "scope"
	memberCollection = "collection"
	memberNetworks   = "networks"
	memberCreated    = "created_at"
	memberExpires    = "expires_at"
	memberLastUsed   = "last_used_at"
)

// members are all of them, in the order in which an export writes them.
var members = []string{
	memberValue, memberSHA256, memberSHA512, memberOwner, memberName, memberScope, memberCollection, memberNetworks,
	memberCreated, memberExpires, memberLastUsed,
}

// LineError says what is wrong with a line. It never contains anything of the line: in a file
// with mixed-up columns, a token can be anywhere.
type LineError struct {
	Line   int
	Reason string
}

// Error names the line.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

// line is one token of a file.
type line struct {
	number     int
	value      token.Secret // this, sha256 or sha512
	sha256     []byte
	sha512     []byte
	owner      string
	name       string
	scope      []string
	collection *int64
	networks   networks.List
	created    time.Time // zero if there is none, like the others
	expires    time.Time
	lastUsed   time.Time
}

// parseLine reads the members of a line; a missing member is "".
func parseLine(number int, texts map[string]string) (l line, err error) {
	l.number = number
	l.value = token.Secret(texts[memberValue])
	l.owner, l.name = strings.TrimSpace(texts[memberOwner]), strings.TrimSpace(texts[memberName])
	ways := 0
	for _, member := range []string{memberValue, memberSHA256, memberSHA512} {
		if texts[member] != "" {
			ways++
		}
	}
	switch {
	case ways != 1:
		return l, errors.New("exactly one of value, sha256 and sha512 is needed")
	case l.owner == "":
		return l, errors.New("the owner is missing")
	}
	if l.sha256, err = parseDigest(memberSHA256, texts[memberSHA256], 32); err != nil {
		return l, err
	}
	if l.sha512, err = parseDigest(memberSHA512, texts[memberSHA512], 64); err != nil {
		return l, err
	}
	if l.name != "" && records.ValidateLabel("a token's name", l.name) != nil {
		return l, errors.New("the name is too long, or has characters that can't be printed")
	}
	if l.scope, err = identity.ParseScope(texts[memberScope]); err != nil {
		return l, errors.New("the scope has a name that RFC 6749 does not allow, or is longer than 1,024 bytes")
	}
	if text := texts[memberCollection]; text != "" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id < 0 {
			return l, errors.New("the collection is not a number")
		}
		l.collection = &id
	}
	if l.networks, err = parseNetworks(texts[memberNetworks]); err != nil {
		return l, errors.New("networks is not a list of addresses and networks, such as 192.0.2.0/24 2001:db8::/32")
	}
	for _, at := range []struct {
		member string
		to     *time.Time
	}{{memberCreated, &l.created}, {memberExpires, &l.expires}, {memberLastUsed, &l.lastUsed}} {
		if *at.to, err = parseTime(texts[at.member]); err != nil {
			return l, fmt.Errorf("%s is not a time such as 2026-03-01T12:00:00Z", at.member)
		}
	}
	return l, nil
}

// parseNetworks reads networks separated by spaces or commas, or an array as PostgreSQL
// writes it.
func parseNetworks(text string) (networks.List, error) {
	list := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '{' || r == '}' })
	if len(list) == 0 {
		return nil, nil
	}
	return networks.Parse(list)
}

func parseDigest(member, text string, size int) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != size {
		return nil, fmt.Errorf("%s is not %d hexadecimal digits", member, 2*size)
	}
	return b, nil
}

// layouts are how databases write times: RFC 3339, and PostgreSQL's and SQLite's own. A
// time without an offset is in UTC.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999Z07",
	"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02",
}

func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range layouts {
		t, err := time.Parse(layout, text)
		if err == nil && t.Year() >= 1970 && t.Year() < 10_000 {
			return t.UTC().Truncate(time.Microsecond), nil
		}
	}
	return time.Time{}, errors.New("not a time")
}
