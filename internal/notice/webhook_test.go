package notice_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/secretfile"

	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/notice"
)

// The webhook is sent a token that expires within a week, signed, once; after a failure it is
// sent again.
func TestTheWebhookLearnsOnceOfWhatExpires(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: wanting(notice.Interest{Receiver: receiver, Events: []string{notice.TokenExpiring}})})
	f.Freeze()
	ada := f.Person(t, "ada")
	const day = int64(24 * 60 * 60)
	for name, lifetime := range map[string]int64{"ends soon": 6 * day, "lives on": 8 * day, "never ends": 0} {
		f.APIToken(t, ada, credentials.NewCredential{Name: name, Lifetime: lifetime})
	}
	secret := []byte("of the webhook")
	var got []string
	failed := false
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, secret)
		mac.Write(body)
		var said struct{ Event, Name, Username, Email string }
		_ = json.Unmarshal(body, &said)
		if !failed || r.Header.Get("X-Bearerd-Signature") != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			failed = true
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		got = append(got, said.Event+" "+said.Username+" "+said.Email+": "+said.Name)
	}))
	t.Cleanup(hook.Close)
	x := &notice.Expiring{Store: f.Store, Journal: f.Journal, Announcer: f.Announcer, Now: f.Time}
	s := newSender(t, f, "one", notice.NewWebhook(hook.URL, secretfile.Fixed(secret)))
	for range 5 {
		nodetest.Must(t, x.Announce(t.Context()))
		s.deliver(t)
		f.Advance(10 * time.Second)
	}
	if len(got) != 1 || got[0] != "token.expiring ada ada@example.org: ends soon" || s.lines("can't be sent") != 1 {
		t.Errorf("%q\n%s", got, s.log.String())
	}
}

// Where the webhook can't be reached, the log and the overview page say why, and don't show
// what its URL has in its query.
func TestTheURLOfTheWebhookIsNotShown(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: wanting(notice.Interest{Receiver: receiver, Events: []string{notice.TokenExpiring}})})
	f.APIToken(t, f.Person(t, "ada"), credentials.NewCredential{Lifetime: 60 * 60})
	x := &notice.Expiring{Store: f.Store, Journal: f.Journal, Announcer: f.Announcer, Now: f.Time}
	nodetest.Must(t, x.Announce(t.Context()))
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	s := newSender(t, f, "one", notice.NewWebhook(gone.URL+"/hook?key=of-the-hook", nil))
	s.deliver(t)
	if said := s.log.String() + s.State().Failure; s.State().Failure == "" || strings.Contains(said, "of-the-hook") {
		t.Errorf("said: %s", said)
	}
}
