package verify

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"
)

// OnStale is what to do about a token while there is no lease: when nothing was received
// from the issuer for longer than the staleness.
type OnStale int

const (
	// Refuse answers 503. It is the zero value.
	Refuse OnStale = iota
	// AskIssuer introspects every token again, JWTs too; when the issuer can't be asked,
	// the answer is 503. It is for a service that can reach the issuer while the
	// revocation stream is interrupted.
	AskIssuer
)

// Config says which tokens are accepted. Issuer and Audience must be set; so must the
// client, except with InsecureWithoutRevocation.
type Config struct {
	// Issuer is the issuer, exactly as its metadata and its tokens name it. It must
	// be https, or http on a loopback address.
	Issuer string
	// Audience is the audience that a token must have: a URL that this service is known
	// by, or a task token type. A task token is accepted only for its type.
	Audience string

	// ClientID and the secret, given in one of the two ways, are this service's own
	// at the issuer: a client with the grant client_credentials and the scopes
	// revocations and introspect. One newline at the end of the file is not part of
	// the secret.
	ClientID         string
	ClientSecret     string
	ClientSecretFile string

	// OnStale is what to do without a lease. Zero: refuse.
	OnStale OnStale
	// MaxStaleness is L, for how long after the issuer's last message a token may still
	// be accepted. Zero: the issuer's own. With a longer one the service survives longer
	// outages, and revocations take effect that much later during them; a shorter one is
	// an error.
	MaxStaleness time.Duration
	// Confirm is a label for this process. With it the verifier confirms each revocation to the
	// issuer after it has applied it: a revocation with wait=all is acknowledged only when
	// this verifier, too, refuses what was revoked, or refuses everything. The label is shown
	// to people and need not be unique. A lease is then at most as long as the issuer's own
	// L, whatever MaxStaleness says. Empty: it confirms nothing.
	Confirm string
	// StartRefusing makes New return at once: until the issuer has been reached, every
	// token is refused with 503. Zero: New waits, and its error says why the issuer can't
	// be used.
	StartRefusing bool

	// InsecureWithoutRevocation accepts JWTs until they expire, even when they were
	// revoked or their user has lost access. It is for issuers without a revocation
	// stream. Without a client, opaque tokens are then refused.
	InsecureWithoutRevocation bool
	// InsecureAllowHTTP allows http to hosts other than the loopback ones: anyone who can
	// change the traffic then decides which tokens are accepted.
	InsecureAllowHTTP bool

	// SharedSecretFile is the file with the secret of an issuer that signs with HS256.
	// Empty: the keys are those of the issuer's JWK Set.
	SharedSecretFile string
	// APITokenPrefix is the prefix of the issuer's API tokens. Empty: bda_.
	APITokenPrefix string
	// ForeignTokens are the shapes of other systems' tokens that the issuer has imported,
	// as its foreign_tokens declares them. Tokens of these shapes are opaque: the issuer is
	// asked about them.
	ForeignTokens []ForeignToken
	// Realm is the realm in challenges. Empty: the issuer.
	Realm string

	// TrustedProxies are the networks of the proxies whose X-Forwarded-For Middleware and
	// Request believe: behind them the client's address, which tokens may be limited to, is
	// the last one there that is not theirs. Empty: the client is the peer of the connection.
	TrustedProxies []netip.Prefix

	// CacheBytes limits the memory for facts about tokens. Zero: 32 MiB.
	CacheBytes int64
	// NewTokensPerSecond limits how often the issuer is asked about tokens that were
	// never accepted here, so that random ones can't flood it; beyond the limit, the
	// answer is 503. Tokens that were accepted before have their own limit, ten times as
	// high. Zero: 50.
	NewTokensPerSecond int

	// HTTPClient is how the issuer is reached: only its Transport is used. Nil: a
	// transport of its own, with the proxy of the environment.
	HTTPClient *http.Client
	// Logger logs when following the issuer fails and when it works again. Nil: nothing
	// is logged.
	Logger *slog.Logger
	// Now is the wall clock, which decides what has expired. Nil: the system's.
	Now func() time.Time
}

// ForeignToken is the shape of another system's tokens: a pattern for the whole value, in the
// language that docs/coming-over.md describes, or a prefix of every value.
type ForeignToken struct{ Name, Pattern, Prefix string }

// Format hides the client's secret from every verb of fmt.
func (c Config) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "verifier of %q for %q as client %q", c.Issuer, c.Audience, c.ClientID)
}

// LogValue hides the client's secret from slog.
func (c Config) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }
