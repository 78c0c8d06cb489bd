package identity_test

import (
	"encoding/base64"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/identity"
)

// plainBasic reports whether a server that form-decodes HTTP Basic reads id and secret
// as a client wrote them that doesn't form-encode.
func plainBasic(id, secret string) bool {
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(id+":"+secret)))
	rawID, rawSecret, _ := r.BasicAuth()
	gotID, errID := url.QueryUnescape(rawID)
	gotSecret, errSecret := url.QueryUnescape(rawSecret)
	return errID == nil && errSecret == nil && gotID == id && gotSecret == secret
}

// A warning is there exactly where a client that sends id and secret as they are would
// be refused, for every character that they may have.
func TestBasicWarningIsAboutWhatCurlCantSend(t *testing.T) {
	t.Parallel()
	const long = "0123456789abcdef0123456789abcdef"
	for c := ' '; c <= '~'; c++ {
		id, secret := "my"+string(c)+"client", long+string(c)+"41"
		for _, one := range []struct{ id, secret string }{{id, long}, {"ci", secret}, {id, secret}} {
			warning := identity.BasicWarning(one.id, one.secret)
			if plainBasic(one.id, one.secret) != (warning == "") {
				t.Errorf("%q, %q: %q", one.id, one.secret, warning)
			}
			if strings.Contains(warning, one.secret) {
				t.Errorf("the warning repeats the secret: %s", warning)
			}
		}
		if (identity.BasicWarning(id, "") == "") != plainBasic(id, "x") {
			t.Errorf("%q without a secret: %q", id, identity.BasicWarning(id, ""))
		}
	}
}
