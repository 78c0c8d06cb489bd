package oauth

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// kinds are all kinds, by the names that the document has for them.
var kinds = map[string]fault.Kind{
	"Internal": fault.Internal, "Invalid": fault.Invalid, "Unauthenticated": fault.Unauthenticated,
	"BadCredentials": fault.BadCredentials, "InvalidToken": fault.InvalidToken,
	"InsufficientScope": fault.InsufficientScope, "Forbidden": fault.Forbidden, "NotFound": fault.NotFound,
	"Conflict": fault.Conflict, "TooLarge": fault.TooLarge, "Limited": fault.Limited, "Unavailable": fault.Unavailable,
	"InvalidClient": fault.InvalidClient, "InvalidGrant": fault.InvalidGrant,
	"UnauthorizedClient": fault.UnauthorizedClient, "UnsupportedGrantType": fault.UnsupportedGrantType,
	"InvalidScope": fault.InvalidScope, "InvalidTarget": fault.InvalidTarget,
	"AuthorizationPending": fault.AuthorizationPending, "SlowDown": fault.SlowDown,
	"AccessDenied": fault.AccessDenied, "ExpiredToken": fault.ExpiredToken, "SignInAgain": fault.SignInAgain,
}

func TestDocumentedErrorsAreTheTables(t *testing.T) {
	t.Parallel()
	if len(kinds) != int(fault.SignInAgain)+1 {
		t.Fatal("a kind of fault is missing here")
	}
	doc, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| (\\w+) \\| [^|]+ \\| (\\d+) `(\\w+)` \\| (\\d+) `(\\w+)` \\|$").FindAllStringSubmatch(string(doc), -1)
	documented := map[string]bool{}
	for _, row := range rows {
		name := row[1]
		kind, known := kinds[name]
		if !known {
			t.Errorf("there is no kind %s", name)
		}
		documented[name] = true
		f := failureOf(kind)
		got := fmt.Sprint(httpkit.Status(kind), httpkit.Code(kind), f.status, f.code)
		if want := fmt.Sprint(row[2], row[3], row[4], row[5]); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
			t.Errorf("%s: the document says %s, the code %s", name, want, got)
		}
	}
	for name := range kinds {
		if !documented[name] {
			t.Errorf("%s is not documented", name)
		}
	}
}

func TestInternalErrorsAreNeverShown(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	failureOf(fault.KindOf(os.ErrNotExist)).write(w, fmt.Errorf("reading /secret/path: %w", os.ErrNotExist))
	if w.Code != http.StatusInternalServerError || w.Body.String() != `{"error":"server_error","error_description":"internal error"}`+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestUnavailableSaysWhenToAskAgain(t *testing.T) {
	t.Parallel()
	for _, kind := range []fault.Kind{fault.Unavailable, fault.Limited} {
		w := httptest.NewRecorder()
		failureOf(kind).write(w, fault.After(kind, 1500*time.Millisecond, "not now"))
		if got := w.Header().Get("Retry-After"); got != "2" {
			t.Errorf("Retry-After %q", got)
		}
	}
}

func TestDescriptionsHaveTheirCharacters(t *testing.T) {
	t.Parallel()
	got := describe(fault.New(fault.Invalid, "the parameter %q is bad: \\ ü\n", "x"))
	if got != "the parameter 'x' is bad: ? ??" {
		t.Errorf("%q", got)
	}
}
