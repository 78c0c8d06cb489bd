package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/sleep"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuerclient"
)

// Finding is something that is wrong between an edge and its issuer, and what to do.
type Finding struct{ Problem, Do string }

// String returns both.
func (f Finding) String() string { return f.Problem + "; " + f.Do }

// maxSkew is how far clocks may differ: as far as a token's iat may be in the future.
const maxSkew = 30 * time.Second

// Check is the result of a check of the issuer. Reached is set if the issuer answered and
// accepted this edge as its client; the edge then works in spite of the findings, but doesn't
// answer some requests as it should.
type Check struct {
	Reached  bool
	Findings []Finding
}

// Check asks the issuer everything that the edge will ask it, and returns what is wrong.
func (e *Edge) Check(ctx context.Context) Check {
	p, err := e.Probe(ctx)
	c := Check{Reached: err == nil}
	if err != nil {
		c.Findings = append(c.Findings, e.explain(err))
	}
	if p.Skew > maxSkew || p.Skew < -maxSkew {
		c.Findings = append(c.Findings, Finding{
			fmt.Sprintf("the clock here is %s %s that of the issuer", p.Skew.Abs().Round(time.Second), direction(p.Skew)),
			"set both by NTP: whether a token has expired is judged by the clock here",
		})
	}
	for _, scope := range e.cfg.Scopes {
		if len(p.Scopes) > 0 && !slices.Contains(p.Scopes, scope) && !slices.Contains(identity.BuiltinScopes(), scope) {
			c.Findings = append(c.Findings, Finding{
				fmt.Sprintf("a route or requirement asks for the scope %q, which the issuer doesn't know", scope),
				"declare it in the issuer's scopes, or correct the name; it knows " + strings.Join(p.Scopes, ", "),
			})
		}
	}
	return c
}

func direction(skew time.Duration) string {
	if skew > 0 {
		return "ahead of"
	}
	return "behind"
}

// explain returns what an error of the issuer means for the configuration.
func (e *Edge) explain(err error) Finding {
	problem := fmt.Sprintf("the issuer %s can't be used: %v", e.cfg.Issuer, err)
	switch other := issuerclient.OtherIssuer(err); {
	case other != "":
		return Finding{problem, fmt.Sprintf("write issuer: %s, exactly as tokens name it, if that is the one", other)}
	case issuerclient.IsRefused(err, "invalid_client"):
		return Finding{problem, fmt.Sprintf(
			"the issuer has no client %q with the secret in %s: see `bearerd client list` there, or get a new secret by `bearerd client secret %s`",
			e.cfg.ClientID, e.cfg.ClientSecretFile, e.cfg.ClientID)}
	case issuerclient.IsRefused(err, "invalid_scope"), issuerclient.IsRefused(err, "insufficient_scope"):
		return Finding{problem, fmt.Sprintf("give the client %q both scopes introspect and revocations at the issuer", e.cfg.ClientID)}
	case issuerclient.IsRefused(err, "unauthorized_client"):
		return Finding{problem, fmt.Sprintf("give the client %q the grant client_credentials at the issuer", e.cfg.ClientID)}
	case errors.Is(err, issuerclient.ErrNoKeys):
		return Finding{
			fmt.Sprintf("the issuer %s shows no keys: it signs with HS256", e.cfg.Issuer),
			"copy the secret of its signing.secret_file to this machine, and name that file in signing.secret_file here",
		}
	case errors.Is(err, issuerclient.ErrOtherKeys) && e.cfg.SecretFile != "":
		return Finding{problem, fmt.Sprintf("copy the secret of the issuer's signing.secret_file to %s again: it is another one", e.cfg.SecretFile)}
	case errors.Is(err, context.DeadlineExceeded):
		return Finding{problem, "it did not answer in time: check that this machine reaches it"}
	}
	return Finding{problem, "check issuer, ca_file, and that this machine reaches the issuer"}
}

const (
	firstCheck = time.Second
	lastCheck  = time.Minute
)

// Watch checks until the issuer was reached once, and logs each finding once.
func (e *Edge) Watch(ctx context.Context, logged Check) error {
	for pause := firstCheck; !logged.Reached; pause = min(2*pause, lastCheck) {
		if !sleep.For(ctx, pause) {
			return nil
		}
		c := e.Check(ctx)
		for _, f := range c.Findings {
			if !slices.Contains(logged.Findings, f) {
				e.logFinding(ctx, f)
			}
		}
		logged = c
	}
	return nil
}

// Log logs what a check found.
func (e *Edge) Log(ctx context.Context, c Check) {
	for _, f := range c.Findings {
		e.logFinding(ctx, f)
	}
}

func (e *Edge) logFinding(ctx context.Context, f Finding) {
	e.cfg.Log.LogAttrs(ctx, slog.LevelError, f.Problem, slog.String("do", f.Do))
}
