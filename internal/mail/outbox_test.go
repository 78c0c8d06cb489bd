package mail_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/mail"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/notice"
)

// silent counts nothing.
type silent struct{}

func (silent) NoticeSent(string)            {}
func (silent) NoticeFailed(string)          {}
func (silent) NoticeRefused(string)         {}
func (silent) NoticesDropped(string, int64) {}
func (silent) NoticesWaiting(string, int)   {}

// A mail server that refuses for a day: it is said once, and every mail arrives when it
// takes them again. What a user expires is in one mail a day.
func TestAServerThatRefusesForADayLosesNoMail(t *testing.T) {
	t.Parallel()
	for name, postgres := range map[string]bool{"sqlite": false, "postgres": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := nodetest.New(t, nodetest.Options{Dir: t.TempDir(), Postgres: postgres, Settings: func(s *node.Settings) {
				s.Notices = []notice.Interest{{Receiver: mail.Receiver, Events: mail.Events(), Daily: true}}
			}})
			f.Freeze()
			p := &post{refuse: &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "no mail from you"}}
			cfg := config(p.start(t, false))
			cfg.Now = f.Time
			s, err := mail.New(cfg)
			must(t, err)
			var log bytes.Buffer
			o, err := notice.NewOutbox(notice.Config{
				Store: f.Store, Receiver: mail.Receiver, Send: s, Node: "one", Meter: silent{}, Now: f.Time,
				Jitter: func() float64 { return 1 }, Log: slog.New(slog.NewTextHandler(&log, nil)),
			})
			must(t, err)
			ada := f.Person(t, "ada")
			const day = int64(24 * 60 * 60)
			for n := range 3 {
				f.APIToken(t, ada, credentials.NewCredential{Name: fmt.Sprint("token", n), Lifetime: 6 * day})
			}
			x := &notice.Expiring{Store: f.Store, Journal: f.Journal, Announcer: f.Announcer, Now: f.Time}
			must(t, x.Announce(t.Context()))
			pass := func(d time.Duration) {
				for range d / (10 * time.Minute) {
					must(t, o.Deliver(t.Context()))
					f.Advance(10 * time.Minute)
				}
			}
			pass(24 * time.Hour)
			if len(p.got) != 0 || strings.Count(log.String(), "can't be sent") != 1 {
				t.Errorf("%d were taken, and the log says\n%s", len(p.got), &log)
			}
			p.refuse = nil
			pass(4 * time.Hour)
			created, lists := 0, 0
			for _, one := range p.got {
				switch m := parse(t, one.raw); m.subject {
				case "New API token":
					created++
				case "3 tokens of yours expire within a week":
					lists++
				default:
					t.Errorf("a mail %q", m.subject)
				}
			}
			if created != 3 || lists != 1 {
				t.Errorf("%d mails of new tokens, %d of those that expire\n%s", created, lists, &log)
			}
		})
	}
}
