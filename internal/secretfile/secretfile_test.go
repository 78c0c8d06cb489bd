package secretfile_test

import (
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/secretfile"
)

func TestReloadReplacesWhatChanged(t *testing.T) {
	t.Parallel()
	texts := []string{"one", "two"}
	var set secretfile.Set
	var secrets []*secretfile.Secret
	for i := range texts {
		s, err := set.Open(func() ([]byte, error) { return []byte(texts[i]), nil })
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, s)
	}
	texts[1] = "zwei"
	if string(secrets[1].Bytes()) != "two" {
		t.Error("a secret changed before it was read again")
	}
	if n, err := set.Reload(); n != 1 || err != nil {
		t.Errorf("%d changed, %v", n, err)
	}
	if string(secrets[0].Bytes()) != "one" || string(secrets[1].Bytes()) != "zwei" {
		t.Errorf("they are %q and %q", secrets[0].Bytes(), secrets[1].Bytes())
	}
}

func TestReloadReplacesAllOrNone(t *testing.T) {
	t.Parallel()
	text, second, third := "one", error(nil), error(nil)
	var set secretfile.Set
	first, err := set.Open(func() ([]byte, error) { return []byte(text), nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, failure := range []*error{&second, &third} {
		if _, err := set.Open(func() ([]byte, error) { return []byte("x"), *failure }); err != nil {
			t.Fatal(err)
		}
	}
	text, second, third = "uno", errors.New("b is missing"), errors.New("c is too short")
	if n, err := set.Reload(); n != 0 || err == nil || !strings.Contains(err.Error(), "b is missing") || !strings.Contains(err.Error(), "c is too short") {
		t.Errorf("%d changed, %v", n, err)
	}
	if string(first.Bytes()) != "one" {
		t.Errorf("it is %q", first.Bytes())
	}
}

func TestOpenReturnsWhyASecretCantBeUsed(t *testing.T) {
	t.Parallel()
	var set secretfile.Set
	broken := errors.New("broken")
	if _, err := set.Open(func() ([]byte, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}
	if n, err := set.Reload(); n != 0 || err != nil {
		t.Errorf("it was added all the same: %d, %v", n, err)
	}
}

func TestNoSecretIsEmpty(t *testing.T) {
	t.Parallel()
	var none *secretfile.Secret
	if none.IsSet() || none.Bytes() != nil || !secretfile.Fixed([]byte("x")).IsSet() || secretfile.Fixed(nil).IsSet() {
		t.Error("none is something, or something is none")
	}
}

func TestReadTakesOneSecretOfBoundedLength(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", secretfile.MaxBytes)
	for text, want := range map[string]string{"": "", "one\n": "one", "one\r\n": "one", "one\n\n": "one\n", " one ": " one ", long: long} {
		if got, err := secretfile.Read(io.NopCloser(strings.NewReader(text))); string(got) != want || err != nil {
			t.Errorf("%q is read as %q, %v", text, got, err)
		}
	}
	if got, err := secretfile.Read(io.NopCloser(strings.NewReader(long + "x"))); err == nil {
		t.Errorf("%d bytes are read", len(got))
	}
}

func TestWhatAnAnswerRepeatsOfASecretIsHidden(t *testing.T) {
	t.Parallel()
	secret := secretfile.Fixed([]byte("of the mail+"))
	for said, want := range map[string]string{
		"no of the mail+ here": "no [secret] here", "client_secret=of+the+mail%2B&x": "client_secret=[secret]&x",
		"AGJlYXJlcmQAb2YgdGhlIG1haWwr": "[secret]", "Basic YmVhcmVyZDpvZiB0aGUgbWFpbCs=": "Basic [secret]=",
		"b2YgdGhlIG1haWwr": "[secret]", "Basic " + base64.StdEncoding.EncodeToString([]byte("bearerd:of+the+mail%2B")): "Basic [secret]==",
		"nothing": "nothing",
	} {
		cause := errors.New(said)
		err := secret.Hide(cause, "bearerd")
		if err.Error() != want || !errors.Is(err, cause) {
			t.Errorf("%q is shown as %q", said, err)
		}
	}
	for name, s := range map[string]*secretfile.Secret{"none": nil, "a short one": secretfile.Fixed([]byte("abc"))} {
		if got := s.HideIn("an abc", ""); got != "an abc" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if err := secret.Hide(nil, ""); err != nil {
		t.Errorf("no error became %v", err)
	}
}
