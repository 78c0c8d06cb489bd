package passhash_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/passhash"
)

func TestAHashDoesNotShowItself(t *testing.T) {
	t.Parallel()
	const secret = "c29tZXNhbHQ"
	hash := passhash.Hash("$argon2id$v=19$m=65536,t=2,p=1$" + secret + "$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	user := identity.User{ID: "1", Username: "spadmin", PasswordHash: hash}
	holder := struct{ Hash passhash.Hash }{hash}

	var shown []string
	for _, v := range []any{hash, &hash, user, &user, []identity.User{user}, holder, map[string]any{"h": hash}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			shown = append(shown, fmt.Sprintf(verb, v))
		}
		if js, err := json.Marshal(v); err != nil {
			t.Error(err)
		} else {
			shown = append(shown, string(js))
		}
		if y, err := yaml.Marshal(v); err != nil {
			t.Error(err)
		} else {
			shown = append(shown, string(y))
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", slog.Any("v", v))
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", slog.Any("v", v))
		shown = append(shown, log.String())
	}
	shown = append(shown, hash.String(), fmt.Errorf("%w: %v", fault.New(fault.Invalid, "%s", hash), hash).Error())
	hexed := []string{fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), strings.Trim(fmt.Sprint(bytes.Runes([]byte(secret))), "[]")}
	for _, s := range shown {
		for _, leak := range append(hexed, secret) {
			if strings.Contains(s, leak) {
				t.Errorf("shown: %s", s)
			}
		}
	}
	if !slices.Contains(shown, "[redacted]") {
		t.Error("nothing was shown in its place")
	}
	if hash.Reveal() != string(hash) {
		t.Error("Reveal returns something else")
	}
}
