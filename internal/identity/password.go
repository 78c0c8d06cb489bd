package identity

import (
	"bufio"
	"bytes"
	"compress/gzip"
	_ "embed" // the list of common passwords
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/passhash"
)

// PasswordRule is which passwords may be set in clear, by anybody and anywhere.
// Hashes of other systems are not judged: nobody knows the password.
type PasswordRule struct {
	Min int // characters
}

// commonPasswords are the most common ones, folded as FoldName folds, one a line: see
// passwords/README.md for where they are from.
//
//go:embed passwords/common.txt.gz
var commonPasswords []byte

// fieldPassword is the field in errors about passwords.
const fieldPassword = "password"

// Check accepts a password that passhash.CheckBounds accepts and that is long enough, unless
// it is one of the most common passwords, or the username in any case, or the username
// with little added (NIST SP 800-63B, section 3.1.1.2: there is no rule about which
// characters). The error is fault.Invalid and doesn't repeat the password.
func (r PasswordRule) Check(password, username string) error {
	if err := passhash.CheckBounds(password); err != nil {
		return err
	}
	if utf8.RuneCountInString(password) < r.Min {
		return fault.New(fault.Invalid, "the password has fewer than %d characters", r.Min).In(fieldPassword)
	}
	folded := FoldName(password)
	if resembles(folded, FoldName(username)) {
		return fault.New(fault.Invalid, "the password is too much like the username").In(fieldPassword)
	}
	common, err := isCommon(folded)
	switch {
	case err != nil:
		return fault.Wrap(err, fault.Internal, "reading the list of common passwords")
	case common:
		return fault.New(fault.Invalid, "the password is one of the most common ones").In(fieldPassword)
	}
	return nil
}

// resembles reports whether a password is a username, forwards or backwards, once or
// repeated, with nothing but digits and punctuation around it. Both are folded.
func resembles(password, username string) bool {
	if username == "" {
		return false
	}
	if password == username {
		return true
	}
	notLetter := func(r rune) bool { return !unicode.IsLetter(r) }
	password, username = strings.TrimFunc(password, notLetter), strings.TrimFunc(username, notLetter)
	if username == "" {
		return false
	}
	backwards := []rune(username)
	slices.Reverse(backwards)
	return strings.ReplaceAll(password, username, "") == "" && password != "" || password == string(backwards)
}

// isCommon reports whether a folded password is on the list. The list is read each time:
// that takes a fraction of the time of a hash, and its memory is not kept.
func isCommon(folded string) (bool, error) {
	if folded == "" {
		return false, nil
	}
	list, err := gzip.NewReader(bytes.NewReader(commonPasswords))
	if err != nil {
		return false, err //nolint:wrapcheck // wrapped by the caller
	}
	lines := bufio.NewScanner(list)
	for lines.Scan() {
		if lines.Text() == folded {
			return true, nil
		}
	}
	return false, lines.Err() //nolint:wrapcheck // wrapped by the caller
}
