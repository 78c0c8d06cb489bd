package config

import (
	"fmt"
	"net"
	"net/mail"
	"slices"
	"strconv"
	"strings"

	"github.com/bearerd/bearerd/internal/token"
)

// Notice is a receiver of Security Event Tokens. The secret file's text is the Bearer token
// of what is sent.
type Notice struct {
	URL        string   `yaml:"url"`
	SecretFile string   `yaml:"secret_file"` // empty: nothing is presented
	CAFile     string   `yaml:"ca_file"`     // PEM of the authorities to trust in place of the system's
	Events     []string `yaml:"events"`      // none: all
}

// Mail is the server by which users are sent mail. Without SMTP they are sent none.
type Mail struct {
	SMTP         string  `yaml:"smtp"` // host:port
	TLS          MailTLS `yaml:"tls"`
	Username     string  `yaml:"username"`
	PasswordFile string  `yaml:"password_file"`
	From         string  `yaml:"from"`
}

// MailTLS is how the connection to the mail server is encrypted.
type MailTLS string

// The ways.
const (
	MailStartTLS MailTLS = "starttls" // required after the connection is open
	MailOverTLS  MailTLS = "tls"      // from its beginning
	MailPlain    MailTLS = "none"
)

// Events of notices, by what may stand in the configuration. They are those of
// internal/notice.
var noticeEvents = []string{
	"urn:bearerd:event:token-created", "urn:bearerd:event:token-new-network", "urn:bearerd:event:token-expiring",
	"urn:bearerd:event:token-revoked", "urn:bearerd:event:token-leaked", "urn:bearerd:event:user-disabled",
	"https://schemas.openid.net/secevent/caep/event-type/session-revoked",
	"https://schemas.openid.net/secevent/caep/event-type/credential-change",
}

// NoticeEvents lists the events that a receiver can be sent.
func NoticeEvents() []string { return slices.Clone(noticeEvents) }

func checkNotices(k *checker, all []Notice) {
	seen := map[string]int{}
	for i, n := range all {
		key := fmt.Sprintf("notices[%d]", i)
		k.safeURL(key+".url", n.URL, "write https://siem.example.org/events")
		if first, twice := seen[n.URL]; twice {
			k.fail(key+".url", "name all its events there", "is that of notices[%d]", first)
		}
		seen[n.URL] = i
		for _, event := range n.Events {
			if !slices.Contains(noticeEvents, event) {
				k.fail(key+".events", "the events are "+strings.Join(noticeEvents, ", "), "has the unknown event %q", event)
			}
		}
	}
}

func (m Mail) check(k *checker) {
	if m.SMTP == "" {
		if m != (Mail{TLS: MailStartTLS}) {
			k.fail("mail.smtp", "write mail.example.org:587", "is needed for mail")
		}
		return
	}
	host, port, err := net.SplitHostPort(m.SMTP)
	if n, portErr := strconv.ParseUint(port, 10, 16); err != nil || host == "" || portErr != nil || n == 0 {
		k.fail("mail.smtp", "write mail.example.org:587", "must be host:port, not %q", m.SMTP)
	}
	if !slices.Contains([]MailTLS{MailStartTLS, MailOverTLS, MailPlain}, m.TLS) {
		k.fail("mail.tls", "", "must be starttls, tls or none, not %q", m.TLS)
	}
	if a, err := mail.ParseAddress(m.From); err != nil || strings.ContainsAny(m.From, "\r\n") || a.Address == "" {
		k.fail("mail.from", `write bearerd@example.org, or "Museum <bearerd@example.org>"`, "must be a mail address, not %q", m.From)
	}
	if (m.Username == "") != (m.PasswordFile == "") {
		k.fail("mail.password_file", "", "and mail.username need each other")
	}
	if m.Username != "" && m.TLS == MailPlain && !token.IsLoopback(host) {
		k.fail("mail.tls", "set starttls or tls", "must not be none: the password would travel in the clear")
	}
}
