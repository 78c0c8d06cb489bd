package wiring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/mail"
	"github.com/bearerd/bearerd/internal/notice"
	"github.com/bearerd/bearerd/internal/remote"
	"github.com/bearerd/bearerd/internal/secretfile"
	"github.com/bearerd/bearerd/internal/server"
	"github.com/bearerd/bearerd/internal/token"
)

// interests returns which receivers are sent which notices, by the configuration.
func interests(c config.Config) []notice.Interest {
	var list []notice.Interest
	for _, n := range c.Notices {
		list = append(list, notice.Interest{Receiver: n.URL, Events: n.Events})
	}
	if c.Webhook.URL != "" {
		list = append(list, notice.Interest{Receiver: notice.WebhookReceiver, Events: []string{notice.TokenExpiring}})
	}
	if c.Mail.SMTP != "" {
		list = append(list, notice.Interest{Receiver: mail.Receiver, Events: mail.Events(), Daily: true})
	}
	return list
}

// receivers are how notices are sent, by the names of the receivers.
type receivers struct {
	pushes  []*notice.Push // those of Config.Notices; without Key
	webhook *notice.Webhook
	mail    *mail.Sender
}

// readReceivers reads what the receivers of notices need. The error says all that is wrong.
func readReceivers(c config.Config, secrets *secretfile.Set, now func() time.Time) (receivers, error) {
	var r receivers
	var problems []error
	if len(c.Notices) > 0 && token.Algorithm(c.Signing.Algorithm) == token.HS256 {
		problems = append(problems, errors.New("notices: they are signed so that receivers can verify them, and HS256 has no public key: set signing.algorithm to another one"))
	}
	for i, n := range c.Notices {
		key := fmt.Sprintf("notices[%d]", i)
		secret, err := openSecretFile(secrets, key+".secret_file", n.SecretFile)
		client, clientErr := remote.NewClient(n.CAFile)
		if clientErr != nil {
			clientErr = fmt.Errorf("%s.%w", key, clientErr)
		}
		problems = append(problems, err, clientErr)
		r.pushes = append(r.pushes, &notice.Push{URL: n.URL, Secret: secret, Client: client, Issuer: c.Issuer, Now: now})
	}
	if c.Webhook.URL != "" {
		secret, err := openSecretFile(secrets, "webhook.secret_file", c.Webhook.SecretFile)
		problems = append(problems, err)
		r.webhook = notice.NewWebhook(c.Webhook.URL, secret)
	}
	if c.Mail.SMTP != "" {
		password, err := openSecretFile(secrets, "mail.password_file", c.Mail.PasswordFile)
		problems = append(problems, err)
		r.mail, err = mail.New(mail.Config{
			Server: c.Mail.SMTP, TLS: mail.TLS(c.Mail.TLS), Username: c.Mail.Username, Password: password, From: c.Mail.From, Issuer: c.Issuer, Now: now,
		})
		if err != nil {
			problems = append(problems, fmt.Errorf("mail: %w", err))
		}
	}
	return r, errors.Join(problems...)
}

// openSecretFile opens a secret that a key names; nil where none is named.
func openSecretFile(secrets *secretfile.Set, key, file string) (*secretfile.Secret, error) {
	if file == "" {
		return nil, nil
	}
	return secrets.Open(func() ([]byte, error) { return readSecretFile(key, file) })
}

func readSecretFile(key, file string) ([]byte, error) {
	f, err := os.Open(file) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	secret, err := secretfile.Read(f)
	if err == nil && len(bytes.TrimSpace(secret)) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", key, file, err)
	}
	return secret, nil
}

// noticeLoops returns the loops that send what waits for the receivers.
func (i *assembly) noticeLoops(meter notice.Meter, log *slog.Logger) ([]server.Loop, error) {
	if len(interests(i.Config)) == 0 {
		return nil, nil
	}
	r, err := readReceivers(i.Config, i.secrets, i.Now)
	if err != nil {
		return nil, err
	}
	all := map[string]notice.Receiver{}
	for _, p := range r.pushes {
		p.Key = i.signingKey
		all[p.URL] = p
	}
	if r.webhook != nil {
		all[notice.WebhookReceiver] = r.webhook
	}
	if r.mail != nil {
		all[mail.Receiver] = r.mail
	}
	node := uuid.NewString()
	var loops []server.Loop
	for _, one := range interests(i.Config) {
		o, err := notice.NewOutbox(notice.Config{
			Store: i.Store, Receiver: one.Receiver, Send: all[one.Receiver], Node: node, Meter: meter, Now: i.Now, Jitter: rand.Float64, Log: log,
		})
		if err != nil {
			return nil, err
		}
		i.figures.outboxes = append(i.figures.outboxes, o)
		loops = append(loops, server.Loop{Name: "sending notices to " + one.Receiver, Run: o.Run})
	}
	expiring := &notice.Expiring{Store: i.Store, Journal: i.Journal, Announcer: i.Announcer, Now: i.Now}
	return append(loops, server.Loop{
		Name: "announcing tokens that expire soon",
		Run:  func(ctx context.Context) error { return expiring.Run(ctx, i.Store.PurgeNotices, log) },
	}), nil
}

// signingKey returns the key that signs now.
func (i *assembly) signingKey(ctx context.Context) (token.SigningKey, error) {
	key, err := i.ring.Signing()
	if err != nil && i.ring.Refresh(ctx) == nil {
		key, err = i.ring.Signing()
	}
	return key, err
}
