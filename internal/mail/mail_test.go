package mail_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/secretfile"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/mail"
	"github.com/bearerd/bearerd/internal/notice"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
)

// letter is a mail as the server took it.
type letter struct {
	from string
	to   []string
	raw  string
}

// post is a mail server that takes what the test lets it.
type post struct {
	mu      sync.Mutex
	refuse  error
	refused string // an address whose mail isn't taken
	hangUp  bool   // after a mail
	tls     bool   // asked for
	signIns int
	got     []letter
}

func (p *post) NewSession(c *smtp.Conn) (smtp.Session, error) { return &session{post: p, conn: c}, nil }

type session struct {
	post   *post
	conn   *smtp.Conn
	letter letter
}

func (*session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != "bearerd" || password != "of the mail" {
			return smtp.ErrAuthFailed
		}
		s.post.mu.Lock()
		defer s.post.mu.Unlock()
		s.post.signIns++
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.post.mu.Lock()
	defer s.post.mu.Unlock()
	_, s.post.tls = s.conn.TLSConnectionState()
	s.letter = letter{from: from}
	return s.post.refuse
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if to == s.post.refused {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	}
	s.letter.to = append(s.letter.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	s.post.mu.Lock()
	defer s.post.mu.Unlock()
	s.letter.raw = string(text)
	s.post.got = append(s.post.got, s.letter)
	return err
}

// Reset is called after each mail.
func (s *session) Reset() {
	if s.post.hangUp {
		_ = s.conn.Conn().Close()
	}
}

func (*session) Logout() error { return nil }

// start starts the server, by TLS from the beginning of a connection or not, and returns its
// address and the authorities of its certificate.
func (p *post) start(t *testing.T, overTLS bool) (address string, roots *x509.CertPool) {
	t.Helper()
	cert, roots := certificate(t)
	s := smtp.NewServer(p)
	s.Domain, s.TLSConfig, s.AllowInsecureAuth = "localhost", &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, true
	s.ReadTimeout, s.WriteTimeout = 10*time.Second, 10*time.Second
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	if overTLS {
		l = tls.NewListener(l, s.TLSConfig)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return l.Addr().String(), roots
}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	parsed, err := x509.ParseCertificate(der)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// config is a sender that signs in by STARTTLS.
func config(address string, roots *x509.CertPool) mail.Config {
	return mail.Config{
		Server: address, TLS: mail.StartTLS, Username: "bearerd", Password: secretfile.Fixed([]byte("of the mail")), From: "Museum <bearerd@example.org>",
		Issuer: "https://auth.example.org", Now: func() time.Time { return noon }, RootCAs: roots,
	}
}

// message is a notice about a token of ada's.
func message(event string) notice.Message {
	return notice.Message{
		Fact: notice.Fact{ID: "0d6f2b8f", Event: event, Subject: "ada's subject", At: noon, Token: "t1", Address: "192.0.2.7", Network: "192.0.2.0/24", By: notice.ByUser, Change: "update"},
		User: &identity.User{ID: "ada's subject", Username: "ada", Name: "Ada Example", Email: "ada@example.org"},
		Token: &records.StoredToken{
			ID: "t1", Kind: token.KindAPIToken, Name: "laptop", Prefix: "bda_abcd", Last4: "wxyz", CreatedAt: noon, ExpiresAt: noon.Add(6 * 24 * time.Hour),
		},
	}
}

func send(t *testing.T, cfg mail.Config, group ...notice.Message) error {
	t.Helper()
	s, err := mail.New(cfg)
	must(t, err)
	return s.Send(t.Context(), group)
}

// read returns the one mail that the server took.
func (p *post) read(t *testing.T) (*mailMessage, letter) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.got) != 1 {
		t.Fatalf("%d mails were taken", len(p.got))
	}
	return parse(t, p.got[0].raw), p.got[0]
}

// mailMessage is a mail as its reader has it.
type mailMessage struct {
	header  netmail.Header
	subject string
	body    string
}

func parse(t *testing.T, raw string) *mailMessage {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(raw))
	must(t, err)
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	must(t, err)
	body := m.Body
	if m.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		body = quotedprintable.NewReader(m.Body)
	}
	text, err := io.ReadAll(body)
	must(t, err)
	return &mailMessage{m.Header, subject, strings.ReplaceAll(string(text), "\r\n", "\n")}
}

// A mail arrives by each way to encrypt, signed in, as plain text to the owner alone.
func TestMailArrives(t *testing.T) {
	t.Parallel()
	for way, encrypted := range map[mail.TLS]bool{mail.StartTLS: true, mail.OverTLS: true, mail.Plain: false} {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			p := &post{}
			cfg := config(p.start(t, way == mail.OverTLS))
			cfg.TLS = way
			must(t, send(t, cfg, message(notice.TokenCreated)))
			m, raw := p.read(t)
			if p.tls != encrypted || p.signIns != 1 || raw.from != "bearerd@example.org" || len(raw.to) != 1 || raw.to[0] != "ada@example.org" {
				t.Errorf("encrypted %t, %d sign-ins, %+v", p.tls, p.signIns, raw)
			}
			if m.subject != "New API token" || m.header.Get("From") != `"Museum" <bearerd@example.org>` || m.header.Get("Auto-Submitted") != "auto-generated" ||
				m.header.Get("Message-ID") != "<0d6f2b8f@example.org>" || !strings.HasPrefix(m.header.Get("Content-Type"), "text/plain") {
				t.Errorf("subject %q, %v", m.subject, m.header)
			}
			const want = `Hello Ada Example,

Your API token "laptop" was created for your account on 1 March 2026 at 12:00 UTC, from the address 192.0.2.7.
It expires on 7 March 2026 at 12:00 UTC.

If you didn't create it, revoke it at once: https://auth.example.org/auth/tokens

Your username is ada at https://auth.example.org. This message was sent automatically.
`
			if strings.TrimSpace(m.body) != strings.TrimSpace(want) {
				t.Errorf("it says:\n%s", m.body)
			}
		})
	}
}

// Every event says what it is about, and no mail has a part of a token's value.
func TestEveryEventHasItsText(t *testing.T) {
	t.Parallel()
	for event, word := range map[string]string{
		notice.TokenCreated: "was created", notice.TokenNewNetwork: "192.0.2.0/24", notice.TokenExpiring: "expires on 7 March 2026",
		notice.TokenRevoked: "revoked by an administrator", notice.TokenLeaked: "where others can read it", notice.UserDisabled: "was disabled",
		notice.CredentialChange: "password of your account was changed",
	} {
		p := &post{}
		must(t, send(t, config(p.start(t, false)), message(event)))
		m, raw := p.read(t)
		if !strings.Contains(m.body, word) || strings.Contains(raw.raw, "abcd") || strings.Contains(raw.raw, "wxyz") || m.subject == "" {
			t.Errorf("%s: %q\n%s", event, m.subject, m.body)
		}
	}
	if len(mail.Events()) != 7 {
		t.Error("an event has no text here")
	}
}

// Names that people typed don't become headers, lines of their own, or other recipients.
func TestNamesCanNotInjectHeaders(t *testing.T) {
	t.Parallel()
	const evil = "x\r\nBcc: eve@example.org\r\n\r\nhello\u2028Subject: y\x00"
	m := message(notice.TokenCreated)
	m.Token.Name, m.User.Name, m.User.Username, m.Address = evil, evil, evil, evil
	p := &post{}
	must(t, send(t, config(p.start(t, false)), m))
	got, raw := p.read(t)
	if len(raw.to) != 1 || got.header.Get("Bcc") != "" || len(got.header["Subject"]) != 1 {
		t.Errorf("%v, to %v", got.header, raw.to)
	}
	for line := range strings.Lines(got.body) {
		if strings.HasPrefix(line, "Bcc") || strings.HasPrefix(line, "hello") || strings.ContainsAny(line, "\x00\u2028") {
			t.Errorf("a line %q", line)
		}
	}
	for _, address := range []string{
		"", "ada", "ada@example.org\r\nBcc: eve@example.org", "ada@example.org, eve@example.org", "Ada <ada@example.org>", "<ada@example.org>", "ada@example.org\x00",
	} {
		m := message(notice.TokenCreated)
		m.User.Email = address
		if err := send(t, config("127.0.0.1:1", nil), m); !errors.Is(err, notice.ErrNobody) {
			t.Errorf("to %q: %v", address, err)
		}
	}
	gone := message(notice.TokenCreated)
	gone.User = nil
	if err := send(t, config("127.0.0.1:1", nil), gone); !errors.Is(err, notice.ErrNobody) {
		t.Errorf("to nobody: %v", err)
	}
}

// The tokens of one user that expire are in one mail, without those that were revoked since.
func TestOneMailListsWhatExpires(t *testing.T) {
	t.Parallel()
	p := &post{}
	cfg := config(p.start(t, false))
	s, err := mail.New(cfg)
	must(t, err)
	first, second, revoked := message(notice.TokenExpiring), message(notice.TokenExpiring), message(notice.TokenExpiring)
	second.Token = &records.StoredToken{ID: "t2", Kind: token.KindExchangeKey, ExpiresAt: noon.Add(time.Hour)}
	revoked.Token = &records.StoredToken{ID: "t3", Kind: token.KindAPIToken, Name: "old", ExpiresAt: noon.Add(time.Hour), RevokedAt: noon}
	if g := s.Group(first); g == "" || g != s.Group(second) || s.Group(message(notice.TokenCreated)) != "" {
		t.Errorf("groups %q, %q", g, s.Group(second))
	}
	must(t, s.Send(t.Context(), []notice.Message{first, second, revoked}))
	m, _ := p.read(t)
	if m.subject != "2 tokens of yours expire within a week" || !strings.Contains(m.body, "- your API token \"laptop\" expires on 7 March") ||
		!strings.Contains(m.body, "- your API key expires on 1 March") || strings.Contains(m.body, "old") {
		t.Errorf("%s\n%s", m.subject, m.body)
	}
	if err := s.Send(t.Context(), []notice.Message{revoked}); !errors.Is(err, notice.ErrNobody) {
		t.Errorf("about nothing: %v", err)
	}
}

// A server that refuses, that can't be trusted, that doesn't encrypt or that isn't there is
// tried again, and gets no password.
func TestAServerThatRefusesIsTriedAgain(t *testing.T) {
	t.Parallel()
	p := &post{refuse: &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "no mail from you"}}
	address, roots := p.start(t, false)
	wrong := config(address, roots)
	wrong.Password = secretfile.Fixed([]byte("another one"))
	stranger := config(address, x509.NewCertPool())
	for name, cfg := range map[string]mail.Config{
		"refuses": config(address, roots), "another password": wrong, "an unknown certificate": stranger, "nobody": config("127.0.0.1:1", roots),
	} {
		var refused *notice.RefusedError
		if err := send(t, cfg, message(notice.TokenCreated)); err == nil || errors.Is(err, notice.ErrNobody) || errors.As(err, &refused) || strings.Contains(err.Error(), "of the mail") {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.refuse = &smtp.SMTPError{Code: 530, Message: "sign in, not with " + base64.StdEncoding.EncodeToString([]byte("\x00bearerd\x00of the mail"))}
	if err := send(t, config(address, roots), message(notice.TokenCreated)); err == nil || !strings.Contains(err.Error(), "not with [secret]") {
		t.Errorf("a server that repeats the password: %v", err)
	}
	p.refuse = nil
	must(t, send(t, config(address, roots), message(notice.TokenCreated)))
	if len(p.got) != 1 {
		t.Errorf("%d were taken", len(p.got))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s, err := mail.New(config(address, roots))
	must(t, err)
	if err := s.Send(ctx, []notice.Message{message(notice.TokenCreated)}); err == nil {
		t.Error("sent although the process stops")
	}
}

// An address that the server doesn't accept is said to be that: the receiver hasn't failed.
func TestARefusedAddressIsNoFailureOfTheServer(t *testing.T) {
	t.Parallel()
	p := &post{refused: "ada@example.org"}
	address, roots := p.start(t, false)
	err := send(t, config(address, roots), message(notice.TokenCreated))
	var addressee *notice.AddresseeError
	if !errors.As(err, &addressee) {
		t.Errorf("%v", err)
	}
	p.refuse = &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "no mail from you"}
	if err := send(t, config(address, roots), message(notice.TokenCreated)); err == nil || errors.As(err, &addressee) {
		t.Errorf("a server that refuses every mail: %v", err)
	}
}

// A mail that the server has accepted isn't sent again because the connection breaks then.
func TestAnAcceptedMailIsSentOnce(t *testing.T) {
	t.Parallel()
	p := &post{hangUp: true}
	address, roots := p.start(t, false)
	if err := send(t, config(address, roots), message(notice.TokenCreated)); err != nil || len(p.got) != 1 {
		t.Errorf("%d mails, %v", len(p.got), err)
	}
}
