// Package mail sends notices to the users whom they concern, as plain text.
package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strconv"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"github.com/bearerd/bearerd/internal/notice"
	"github.com/bearerd/bearerd/internal/secretfile"
)

// Receiver is the name of mail among the receivers of notices.
const Receiver = "mail"

// Events are what users are sent mail about.
func Events() []string {
	return []string{
		notice.TokenCreated, notice.TokenNewNetwork, notice.TokenExpiring, notice.TokenRevoked, notice.TokenLeaked,
		notice.UserDisabled, notice.CredentialChange,
	}
}

// TLS is how the connection to the server is encrypted.
type TLS string

// The ways.
const (
	StartTLS TLS = "starttls" // required after the connection is open
	OverTLS  TLS = "tls"      // from its beginning
	Plain    TLS = "none"
)

// Config is the server by which mail is sent, and what is in every mail.
type Config struct {
	Server   string // host:port
	TLS      TLS
	Username string // "": bearerd doesn't sign in there
	Password *secretfile.Secret
	From     string // an address, with or without a name
	Issuer   string // whose pages mail points to
	Now      func() time.Time
	RootCAs  *x509.CertPool // authorities of the server's certificate; nil: the system's
}

// Sender sends mail. When a server doesn't accept a mail, it is tried again.
type Sender struct {
	cfg  Config
	from *mail.Address
	host string
	port int
}

var _ notice.Receiver = (*Sender)(nil)

// timeout bounds the sending of one mail.
const timeout = 20 * time.Second

// New returns a sender.
func New(cfg Config) (*Sender, error) {
	from, err := mail.ParseAddress(cfg.From)
	if err != nil {
		return nil, fmt.Errorf("the sender's address: %w", err)
	}
	host, text, err := net.SplitHostPort(cfg.Server)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("the port: %w", err)
	}
	return &Sender{cfg: cfg, from: from, host: host, port: int(port)}, nil
}

// Group returns an equal name for the tokens of one user that expire: one mail lists them.
func (*Sender) Group(m notice.Message) string {
	if m.Event == notice.TokenExpiring && m.Subject != "" {
		return m.Subject
	}
	return ""
}

// Send sends one mail to the user of a group. A user without an address gets none.
func (s *Sender) Send(ctx context.Context, group []notice.Message) error {
	first := group[0]
	to, ok := addressOf(first)
	if !ok {
		return notice.ErrNobody
	}
	text, ok := s.write(group)
	if !ok {
		return notice.ErrNobody
	}
	msg := gomail.NewMsg()
	msg.FromMailAddress(s.from)
	if err := msg.To(to); err != nil {
		return notice.ErrNobody
	}
	msg.Subject(line(text.subject))
	msg.SetDateWithValue(s.cfg.Now())
	msg.SetMessageIDWithValue(first.ID + "@" + s.domain())
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, text.body)
	client, err := s.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return s.cfg.Password.Hide(deliver(ctx, client, msg), s.cfg.Username)
}

// deliver hands a mail to the server. What the server has accepted is sent, however the
// connection ends afterwards.
func deliver(ctx context.Context, client *gomail.Client, msg *gomail.Msg) error {
	conn, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = client.CloseWithSMTPClient(conn) }()
	err = client.SendWithSMTPClient(conn, msg)
	refused, answered := errors.AsType[*gomail.SendError](err)
	switch {
	case msg.IsDelivered():
		return nil
	case answered && refused.Reason == gomail.ErrSMTPRcptTo && refused.ErrorCode() >= 400 && refused.ErrorCode() != closing:
		return &notice.AddresseeError{Err: err}
	}
	return err
}

// closing is the code of a server that ends the connection, whatever the command was (RFC
// 5321, section 3.8).
const closing = 421

// client returns a client for one mail.
func (s *Sender) client() (*gomail.Client, error) {
	options := []gomail.Option{
		gomail.WithPort(s.port), gomail.WithTimeout(timeout),
		gomail.WithTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.host, RootCAs: s.cfg.RootCAs}),
	}
	auth := gomail.SMTPAuthAutoDiscover
	switch s.cfg.TLS {
	case OverTLS:
		options = append(options, gomail.WithSSL())
	case Plain:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
		auth = gomail.SMTPAuthPlainNoEnc
	case StartTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if s.cfg.Username != "" {
		options = append(options, gomail.WithSMTPAuth(auth), gomail.WithUsername(s.cfg.Username), gomail.WithPassword(string(s.cfg.Password.Bytes())))
	}
	return gomail.NewClient(s.host, options...)
}

// domain returns the domain of the sender's address.
func (s *Sender) domain() string {
	return s.from.Address[strings.LastIndexByte(s.from.Address, '@')+1:]
}

// addressOf returns the address of a notice's user, if it is one and nothing else.
func addressOf(m notice.Message) (string, bool) {
	if m.User == nil || m.User.Email == "" {
		return "", false
	}
	a, err := mail.ParseAddress(m.User.Email)
	if err != nil || a.Address != m.User.Email || strings.ContainsFunc(a.Address, unicode.IsControl) {
		return "", false
	}
	return a.Address, true
}

// line returns a text as one line: it may contain what people typed.
func line(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
	}), " ")
}
