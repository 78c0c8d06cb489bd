package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

// Grant types that a client may have: RFC 6749 §4.1, §4.4 and §6, RFC 8693 §2.1, RFC 8628
// §3.4, RFC 7523 §2.1.
const (
	GrantTypeAuthorizationCode = "authorization_code"
	GrantTypeClientCredentials = "client_credentials"
	GrantTypeRefreshToken      = "refresh_token"
	GrantTypeTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange" // #nosec G101 -- a name
	GrantTypeJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"     // #nosec G101 -- a name
	GrantTypeDeviceCode        = "urn:ietf:params:oauth:grant-type:device_code"
)

// GrantTypes returns the grant types that bearerd supports.
func GrantTypes() []string {
	return []string{GrantTypeAuthorizationCode, GrantTypeClientCredentials, GrantTypeRefreshToken, GrantTypeTokenExchange, GrantTypeDeviceCode, GrantTypeJWTBearer}
}

// publicGrantTypes are allowed for clients that can't keep a secret.
var publicGrantTypes = []string{GrantTypeAuthorizationCode, GrantTypeRefreshToken, GrantTypeDeviceCode}

const (
	minSecretBytes = 32
	maxSecretBytes = 1024
	maxClientList  = 1000
)

// OwnClientID is the client_id of tokens that are issued to no OAuth client
// (RFC 9068 §2.2 requires one): what users got on bearerd's own pages and command
// line. It can't be registered.
const OwnClientID = "bearerd"

// Client is an OAuth 2 client. A client without a secret and without keys is public. The zero
// value may do nothing.
type Client struct {
	ID           string
	SecretDigest []byte     `json:"-" yaml:"-"` // SHA-256 of the secret; empty for a public client
	Grants       []string   // grant types
	Scopes       []string   // the scopes that its tokens may have; empty: not limited by the client
	Audiences    []string   // what it may ask for besides the default audience
	Owner        string     // the source that created it; empty: nobody but administrators
	ExchangeFrom []string   // the clients whose tokens it may exchange besides its own
	Name         string     // that people see when it asks for access; empty: the id
	RedirectURIs []string   // where people may be sent back to with a code; see MatchRedirect
	Keys         ClientKeys // by which it authenticates itself; a client with keys has no secret

	// The previous secret, which is accepted until the overlap ends.
	OldSecretDigest []byte    `json:"-" yaml:"-"`
	OldSecretUntil  time.Time `json:"-" yaml:"-"` // zero: there is none
}

// Public reports whether the client has neither a secret nor keys.
func (c Client) Public() bool { return !c.HasSecret() && !c.Keys.Any() }

// HasSecret reports whether the client has a secret.
func (c Client) HasSecret() bool { return len(c.SecretDigest) != 0 }

// MayUse reports whether the client has that grant type.
func (c Client) MayUse(grantType string) bool { return slices.Contains(c.Grants, grantType) }

// OldSecretGood reports whether there is a previous secret that is accepted at now.
func (c Client) OldSecretGood(now time.Time) bool {
	return c.HasSecret() && len(c.OldSecretDigest) != 0 && now.Before(c.OldSecretUntil)
}

// CheckSecret reports, in constant time, whether raw is the client's secret, or the
// previous one while that is accepted at now. It is false for a client without a secret,
// for one with keys, which may authenticate only by those, and for an empty text: an
// access file may name a secret by its digest alone, and that of an empty one is known.
func (c Client) CheckSecret(raw string, now time.Time) bool {
	digest := sha256.Sum256([]byte(raw))
	present := subtle.ConstantTimeCompare(digest[:], c.SecretDigest)
	old := subtle.ConstantTimeCompare(digest[:], c.OldSecretDigest)
	return raw != "" && !c.Keys.Any() && (present == 1 || old == 1 && c.OldSecretGood(now))
}

// DigestSecret checks a chosen secret and returns its SHA-256, which is what is stored.
// It must have 32 to 1,024 printable ASCII characters (RFC 6749 App. A.2), not all the
// same: a digest so fast to compute protects only what can't be guessed. The error is
// fault.Invalid and does not repeat the secret.
func DigestSecret(raw string) ([]byte, error) {
	switch {
	case len(raw) < minSecretBytes || len(raw) > maxSecretBytes:
		return nil, fault.New(fault.Invalid, "a client secret has %d to %d characters", minSecretBytes, maxSecretBytes).In("secret")
	case strings.ContainsFunc(raw, notVisible):
		return nil, fault.New(fault.Invalid, "a client secret has only printable ASCII characters").In("secret")
	case strings.Trim(raw, raw[:1]) == "":
		return nil, fault.New(fault.Invalid, "a client secret is not one character repeated").In("secret")
	}
	digest := sha256.Sum256([]byte(raw))
	return digest[:], nil
}

// Validate returns what is wrong with a client, as fault.Invalid with the field at fault.
// Whether its scopes are declared is not checked: listing them here declares them.
func (c Client) Validate() error {
	if err := ValidateClientID(c.ID); err != nil {
		return err
	}
	if len(c.SecretDigest) != 0 && len(c.SecretDigest) != sha256.Size {
		return fault.New(fault.Invalid, "the client's secret digest is not a SHA-256")
	}
	if err := c.validateKeys(); err != nil {
		return err
	}
	if err := c.validateGrants(); err != nil {
		return err
	}
	if err := checkList("scope", c.Scopes, validateScopeName); err != nil {
		return fault.In("scopes", err)
	}
	if err := checkList("audience", c.Audiences, ValidateAudience); err != nil {
		return fault.In("audiences", err)
	}
	if c.Name != "" {
		if err := ValidateName(c.Name); err != nil {
			return err
		}
	}
	if err := checkList("redirect URI", c.RedirectURIs, ValidateRedirectURI); err != nil {
		return fault.In("redirect_uris", err)
	}
	if c.MayUse(GrantTypeAuthorizationCode) && len(c.RedirectURIs) == 0 {
		return fault.New(fault.Invalid, "the grant type %s needs a redirect URI", GrantTypeAuthorizationCode).In("redirect_uris")
	}
	return fault.In("exchange_from", checkList("exchange_from", c.ExchangeFrom, c.validateExchangeFrom))
}

// validateKeys refuses a client that could authenticate in two ways: anyone who has the weaker credential
// is the client.
func (c Client) validateKeys() error {
	if c.HasSecret() && c.Keys.Any() {
		return fault.New(fault.Invalid, "a client with keys has no secret").In("secret")
	}
	return c.Keys.Validate()
}

// validateExchangeFrom accepts the id of another client. It need not exist yet.
func (c Client) validateExchangeFrom(id string) error {
	if id == c.ID {
		return fault.New(fault.Invalid, "a client may always exchange its own tokens")
	}
	return ValidateClientID(id)
}

func (c Client) validateGrants() error {
	return fault.In("grants", checkList("grant", c.Grants, func(name string) error {
		if !slices.Contains(GrantTypes(), name) {
			return fault.New(fault.Invalid, "unknown grant type %q; known are %s", name, strings.Join(GrantTypes(), ", "))
		}
		if c.Public() && !slices.Contains(publicGrantTypes, name) {
			return fault.New(fault.Invalid, "the grant type %s needs a client secret or keys", name)
		}
		return nil
	}))
}

// ValidateClientID accepts 1 to 255 printable ASCII characters (VSCHAR, RFC 6749 App.
// A.1) without space at either end. A colon is allowed: in HTTP Basic the id is
// form-encoded (RFC 6749 §2.3.1), and a client whose library leaves that out has to send
// its id in the body.
func ValidateClientID(s string) error {
	if err := checkName("client id", s); err != nil {
		return fault.In("id", err)
	}
	if strings.ContainsFunc(s, notVisible) {
		return fault.New(fault.Invalid, "the client id has other than printable ASCII characters").In("id")
	}
	return nil
}

// notVisible reports whether r is outside VSCHAR.
func notVisible(r rune) bool { return r < ' ' || r > '~' }

// ValidateAudience accepts an absolute URI without a fragment (RFC 8707 §2), or
// any other name such as a task token type: 1 to 255 bytes of valid UTF-8
// without space or control characters. The error is fault.Invalid.
func ValidateAudience(s string) error {
	switch {
	case s == "" || len(s) > maxNameBytes:
		return fault.New(fault.Invalid, "an audience has 1 to %d bytes", maxNameBytes)
	case !utf8.ValidString(s):
		return fault.New(fault.Invalid, "an audience is not valid UTF-8")
	case strings.ContainsFunc(s, unicode.IsSpace) || strings.ContainsFunc(s, invisible):
		return fault.New(fault.Invalid, "an audience has a space or control character")
	}
	u, err := url.Parse(s)
	notURI := err != nil && strings.Contains(s, "://")
	fragment := err == nil && u.Scheme != "" && strings.Contains(s, "#")
	if notURI || fragment {
		return fault.New(fault.Invalid, "an audience is not an absolute URI without a fragment")
	}
	return nil
}

func validateScopeName(s string) error {
	if !ValidScopeName(s) {
		return fault.New(fault.Invalid, "a scope name is one that RFC 6749 does not allow")
	}
	return nil
}

// checkList checks each of at most 1,000 entries, and that none is listed twice.
func checkList(what string, list []string, check func(string) error) error {
	if len(list) > maxClientList {
		return fault.New(fault.Invalid, "a client has at most %d entries of %s", maxClientList, what)
	}
	for i, s := range list {
		if err := check(s); err != nil {
			return err
		}
		if slices.Contains(list[:i], s) {
			return fault.New(fault.Invalid, "the client's %s %q is listed twice", what, s)
		}
	}
	return nil
}

// NewClient is an OAuth client to be created, or its new state.
type NewClient struct {
	ID                        string
	Grants, Scopes, Audiences []string
	ExchangeFrom              []string     // the clients whose tokens it may exchange besides its own
	Name                      string       // that people see when it asks for access; "": the id
	RedirectURIs              []string     // where people may be sent back to with a code
	Keys                      ClientKeys   // by which it authenticates itself, and its secret ends
	Secret                    token.Secret // at least 32 characters; "": keep the secret, or create none
	SecretDigest              []byte       // the SHA-256 of a secret that nobody knows here, in place of Secret
}

// NewClientOf returns the state of a client, for changing a part of it. The secret is
// kept.
func NewClientOf(c Client) NewClient {
	return NewClient{ID: c.ID, Grants: c.Grants, Scopes: c.Scopes, Audiences: c.Audiences, ExchangeFrom: c.ExchangeFrom, Name: c.Name, RedirectURIs: c.RedirectURIs, Keys: c.Keys}
}

// Rotation asks for a new secret of a client. The zero value of all but ID ends the old
// secret at once and revokes nothing.
type Rotation struct {
	ID      string
	Secret  token.Secret // "": one is generated
	Overlap int64        // seconds for which the old one stays valid beside the new one
	Revoke  bool         // what was issued to the client is revoked
}
