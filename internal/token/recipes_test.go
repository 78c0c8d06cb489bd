package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/bearerd/bearerd/internal/token"
)

// recipes builds the vectors: each is a valid token except for the one fault that its
// name states, and signed by the right key unless that is the fault.
type recipes struct {
	t    testing.TB
	keys vectorKeys
	ed   token.SigningKey
	ec   token.SigningKey
	rs   token.SigningKey
	ps   token.SigningKey
	odd  token.SigningKey // the stranger's
}

func buildVectors(t testing.TB, keys vectorKeys) map[string]vectorFile {
	t.Helper()
	r := &recipes{t: t, keys: keys, odd: keys.Stranger.signing(t)}
	for i, into := range []*token.SigningKey{&r.ed, &r.ec, &r.rs, &r.ps} {
		*into = keys.Keys[i].signing(t)
	}
	files := map[string]vectorFile{
		"good.json":      {"Tokens that are good.", "keys", r.good()},
		"algorithm.json": {"Forgeries by algorithm, RFC 8725 §2.1.", "keys", r.algorithms()},
		"signature.json": {"Signatures that are wrong, or have two forms.", "keys", r.signatures()},
		"header.json":    {"Headers that are refused, RFC 8725 §3.10, or have two readings.", "keys", r.headers()},
		"kid.json":       {"Key ids, RFC 8725 §3.10.", "keys", r.kids()},
		"type.json":      {"Types, compared exactly, RFC 8725 §3.11 and RFC 9068 §4.", "keys", r.types()},
		"encoding.json":  {"Serialisations that aren't the one compact form.", "keys", r.encodings()},
		"payload.json":   {"Payloads that aren't one JSON object of one reading.", "keys", r.payloads()},
		"claims.json":    {"Claims of a wrong sort, or missing.", "keys", r.claims()},
		"times.json":     {"Times: numeric dates, and no leeway on expiry.", "keys", r.times()},
		"audience.json":  {"Issuers and audiences, compared exactly but for a slash at the end of an audience, RFC 8725 §3.8 and §3.9.", "keys", r.audiences()},
		"networks.json":  {"Tokens that are limited to networks, used from addresses.", "keys", r.networks()},
		"hs256.json":     {"One shared secret, whose kid may be missing.", "secret", r.shared()},
	}
	return files
}

const (
	wellFormed = "well-formed"
	signature  = "signature"
)

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// header returns the header for a key, with more members at its end.
func header(k token.SigningKey, more ...string) string {
	members := append([]string{
		fmt.Sprintf(`"alg":%q`, k.Algorithm), `"typ":"at+jwt"`, fmt.Sprintf(`"kid":%q`, k.KID),
	}, more...)
	return "{" + strings.Join(members, ",") + "}"
}

// payload returns the good claims, with some set to other JSON, added, or (as "")
// left out. Pairs of name and value.
func (r *recipes) payload(pairs ...string) string {
	base := [][2]string{
		{"iss", fmt.Sprintf("%q", r.keys.Issuer)},
		{"sub", `"5f0c7d3e-7d4c-4a86-9d5a-0c6f4f1f2b11"`},
		{"aud", fmt.Sprintf("%q", r.keys.Audience)},
		{"exp", fmt.Sprint(r.keys.Now + 600)},
		{"iat", fmt.Sprint(r.keys.Now - 60)},
		{"jti", `"0b6a3f52-3d0b-4d0e-8c0e-52f3a2f9f6a7"`},
		{"client_id", `"ci"`},
		{"username", `"jthomas"`},
		{"scope", `"read"`},
		{"seq", "0"},
	}
	var out []string
	for _, m := range base {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == m[0] {
				m[1], pairs[i] = pairs[i+1], ""
			}
		}
		if m[1] != "" {
			out = append(out, fmt.Sprintf("%q:%s", m[0], m[1]))
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] != "" {
			out = append(out, fmt.Sprintf(`"%s":%s`, pairs[i], pairs[i+1])) // an escape stays as it is
		}
	}
	return "{" + strings.Join(out, ",") + "}"
}

// seal signs two encoded parts. ES256 is deterministic here.
func (r *recipes) seal(k token.SigningKey, signed string) string {
	r.t.Helper()
	return signed + "." + b64(string(r.sign(k, signed)))
}

func (r *recipes) sign(k token.SigningKey, signed string) []byte {
	r.t.Helper()
	switch private := k.Key.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(private, []byte(signed))
	case *ecdsa.PrivateKey:
		rr, s := r.ecPair(private, signed)
		return append(rr.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case []byte:
		mac := hmac.New(sha256.New, private)
		mac.Write([]byte(signed))
		return mac.Sum(nil)
	}
	sig, err := jwt.GetSigningMethod(string(k.Algorithm)).Sign(signed, k.Key)
	if err != nil {
		r.t.Fatal(err)
	}
	return sig
}

func (r *recipes) ecPair(private *ecdsa.PrivateKey, signed string) (rr, s *big.Int) {
	r.t.Helper()
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(r.ecDER(private, signed), &pair); err != nil {
		r.t.Fatal(err)
	}
	return pair.R, pair.S
}

func (r *recipes) ecDER(private *ecdsa.PrivateKey, signed string) []byte {
	r.t.Helper()
	sum := sha256.Sum256([]byte(signed))
	der, err := private.Sign(nil, sum[:], crypto.SHA256)
	if err != nil {
		r.t.Fatal(err)
	}
	return der
}

// of signs with the EdDSA key whatever the header says.
func (r *recipes) of(header, payload string) string {
	r.t.Helper()
	return r.seal(r.ed, b64(header)+"."+b64(payload))
}

// with is the good EdDSA token with some claims changed, as in payload.
func (r *recipes) with(pairs ...string) string {
	r.t.Helper()
	return r.of(header(r.ed), r.payload(pairs...))
}

// by is the good token of a key.
func (r *recipes) by(k token.SigningKey) string {
	r.t.Helper()
	return r.seal(k, b64(header(k))+"."+b64(r.payload()))
}

func refused(check, detail, name, why, raw string) vector {
	return vector{Name: name, Why: why, Check: check, Detail: detail, Token: raw}
}

func accepted(name, why, raw string) vector { return vector{Name: name, Why: why, Token: raw} }

func (r *recipes) good() []vector {
	now := r.keys.Now
	return []vector{
		accepted("EdDSA", "the plain token that the others differ from in one thing", r.with()),
		accepted("ES256", "r and s, 32 bytes each", r.by(r.ec)),
		accepted("RS256", "PKCS #1 v1.5", r.by(r.rs)),
		accepted("PS256", "PSS, a salt as long as the hash", r.by(r.ps)),
		accepted("aud as a list", "RFC 7519 §4.1.3", r.with("aud", fmt.Sprintf(`["https://other.example.org",%q]`, r.keys.Audience))),
		accepted("scope as a list", "the form of the gen3 endpoints", r.with("scope", `["read","write"]`)),
		accepted("scope empty", "no scope at all", r.with("scope", `""`)),
		accepted("scope missing", "no scope at all", r.with("scope", "")),
		accepted("client_id and username missing", "not every token has them", r.with("client_id", "", "username", "")),
		accepted("chain", "as many ids as there may be", r.with("chain", list(16, `"0b6a3f52-3d0b-4d0e-8c0e-52f3a2f9f6a8"`))),
		accepted("act", "somebody acts for the subject, RFC 8693 §4.1", r.with("act", `{"sub":"agent"}`)),
		accepted("act of 4", "as many actors as there may be, the members in either order", r.with("act", `{"sub":"a","act":{"act":{"sub":"c","act":{"sub":"d"}},"sub":"b"}}`)),
		accepted("act of 255 bytes", "the longest id of a client", r.with("act", `{"sub":"`+strings.Repeat("a", 255)+`"}`)),
		accepted("client in the chain", "its id has up to 255 bytes", r.with("chain", `["a","client:`+strings.Repeat("a", 255)+`"]`)),
		accepted("escapes", `"sp\u00e4dm\uD83D\uDE00n" spells the same as without escapes`, r.with("username", `"sp\u00e4dm\uD83D\uDE00n\/\t"`)),
		accepted("escaped member name", `"\u0069ss" is iss`, r.with("iss", "", `\u0069ss`, fmt.Sprintf("%q", r.keys.Issuer))),
		accepted("white space", "JSON allows it between its tokens", r.of(header(r.ed), " {\r\n\t"+r.payload()[1:]+"\n")),
		accepted("unknown claims", "ignored, as long as they have one reading", r.with("pur", `"access"`, "context", `{"user":{"name":"jthomas","ok":[true,false,null,-1.5e+3,{}]}}`)),
		accepted("unknown header", "ignored, RFC 7515 §4", r.of(header(r.ed, `"x5t":"AAAA"`, `"CRIT":["exp"]`), r.payload())),
		accepted("exp 2^53", "the greatest numeric date", r.with("exp", "9007199254740992")),
		accepted("exp in a second", "not expired yet", r.with("exp", fmt.Sprint(now+1))),
		accepted("iat 0", "the least numeric date", r.with("iat", "0")),
		accepted("nbf and iat 30 s ahead", "as far as clocks may differ", r.with("nbf", fmt.Sprint(now+30), "iat", fmt.Sprint(now+30))),
		accepted("names in another case", "other claims, to be ignored", r.with("EXP", "0", "Iss", `"x"`, "AUD", "1")),
	}
}

// list returns a JSON list of n times the same.
func list(n int, item string) string {
	return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
}

func (r *recipes) algorithms() []vector {
	const notKeys = "the algorithm isn't the key's"
	var out []vector
	add := func(name, why, raw string) {
		out = append(out, refused(signature, notKeys, name, why, raw))
	}
	head := func(k token.SigningKey, alg string) string {
		return strings.Replace(header(k), fmt.Sprintf(`"alg":%q`, k.Algorithm), `"alg":`+alg, 1)
	}
	for _, none := range []string{"none", "None", "NONE", "nOnE", "none ", ""} {
		add(fmt.Sprintf("alg %q", none), "an unsecured token with a real signature", r.of(head(r.ed, fmt.Sprintf("%q", none)), r.payload()))
	}
	add(`alg "none" escaped`, "the same, spelt with an escape", r.of(head(r.ed, `"\u006eone"`), r.payload()))
	add("alg missing", "nothing says how to check it", r.of(strings.Replace(header(r.ed), `"alg":"EdDSA",`, "", 1), r.payload()))
	for _, alg := range []string{"eddsa", "Ed25519", "EDDSA", "ES384", "HS512", "RS256", "dir"} {
		add("alg "+alg, "not the algorithm of the key that kid names", r.of(head(r.ed, fmt.Sprintf("%q", alg)), r.payload()))
	}
	for _, c := range r.confusions() {
		signed := b64(head(c.key, `"HS256"`)) + "." + b64(r.payload())
		add(c.name, "the public key, which anybody has, as the HMAC secret", r.seal(token.SigningKey{Key: c.secret}, signed))
	}
	rsAsPS := token.SigningKey{KID: r.ps.KID, Algorithm: token.RS256, Key: r.ps.Key}
	add("RS256 by a PS256 key", "one RSA key, two algorithms", r.by(rsAsPS))
	ecAsEd := token.SigningKey{KID: r.ed.KID, Algorithm: token.ES256, Key: r.ec.Key}
	add("ES256 under the id of an EdDSA key", "good by another key of the set", r.by(ecAsEd))
	out = append(
		out,
		refused(wellFormed, "not a string where one is needed", "alg null", "not a string", r.of(head(r.ed, "null"), r.payload())),
		refused(wellFormed, "not a string where one is needed", "alg list", "not a string", r.of(head(r.ed, `["EdDSA"]`), r.payload())),
		refused(wellFormed, "not three parts", "alg none without a signature", "the form of an unsecured token, RFC 7519 §6", b64(head(r.ed, `"none"`))+"."+b64(r.payload())+"."),
	)
	return out
}

type confusion struct {
	name   string
	key    token.SigningKey
	secret []byte
}

// confusions are the forms in which a public key may be mistaken for a secret.
func (r *recipes) confusions() []confusion {
	var out []confusion
	for _, k := range []token.SigningKey{r.ed, r.ec, r.rs} {
		der, err := x509.MarshalPKIXPublicKey(k.Verification().Key)
		if err != nil {
			r.t.Fatal(err)
		}
		members, err := k.Verification().JWK()
		if err != nil {
			r.t.Fatal(err)
		}
		jwk, err := json.Marshal(members)
		if err != nil {
			r.t.Fatal(err)
		}
		block := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		out = append(
			out,
			confusion{fmt.Sprintf("HS256 by the PEM of the %s key", k.Algorithm), k, block},
			confusion{fmt.Sprintf("HS256 by the DER of the %s key", k.Algorithm), k, der},
			confusion{fmt.Sprintf("HS256 by the JWK of the %s key", k.Algorithm), k, jwk},
		)
	}
	if public, ok := r.ed.Verification().Key.(ed25519.PublicKey); ok {
		out = append(out, confusion{"HS256 by the bytes of the EdDSA key", r.ed, public})
	}
	return out
}

func (r *recipes) signatures() []vector {
	var out []vector
	parts := func(raw string) (signed, sig string) {
		i := strings.LastIndexByte(raw, '.')
		sigBytes, _ := base64.RawURLEncoding.DecodeString(raw[i+1:])
		return raw[:i], string(sigBytes)
	}
	add := func(name, why, signed, sig string) {
		out = append(out, refused(signature, "bad signature", name, why, signed+"."+b64(sig)))
	}
	ed, edSig := parts(r.with())
	add("one bit flipped", "the last bit of the first byte", ed, string(edSig[0]^1)+edSig[1:])
	add("truncated", "63 bytes", ed, edSig[:63])
	add("one byte more", "65 bytes", ed, edSig+"\x00")
	add("zeros", "64 zero bytes", ed, strings.Repeat("\x00", 64))
	add("S plus L", "Ed25519: the same S, not canonical, RFC 8032 §5.1.7", ed, malleable(edSig))
	add("R and S swapped", "", ed, edSig[32:]+edSig[:32])
	other := b64(header(r.ed)) + "." + b64(r.payload("scope", `"read admin"`))
	add("of another payload", "a good signature over other claims", other, edSig)
	add("a stranger's", "a key in no set, under the id of one that is", ed, string(r.sign(r.odd, ed)))
	add("over the payload alone", "", ed, string(r.sign(r.ed, b64(r.payload()))))
	add("over the JSON", "not over the encoded parts", ed, string(r.sign(r.ed, header(r.ed)+"."+r.payload())))

	ec, ecSig := parts(r.by(r.ec))
	private, ok := r.ec.Key.(*ecdsa.PrivateKey)
	if !ok {
		r.t.Fatal("the ES256 key is none")
	}
	n := string(private.Params().N.Bytes())
	zero := strings.Repeat("\x00", 32)
	add("ES256 in DER", "ASN.1, not the 64 bytes of RFC 7518 §3.4", ec, string(r.ecDER(private, ec)))
	add("ES256 zeros", "r = s = 0 verifies anything where it isn't refused", ec, zero+zero)
	add("ES256 r zero", "", ec, zero+ecSig[32:])
	add("ES256 s zero", "", ec, ecSig[:32]+zero)
	add("ES256 r and s the order", "both are 0 modulo the order", ec, n+n)
	add("ES256 with leading zeros", "66 bytes", ec, "\x00"+ecSig[:32]+"\x00"+ecSig[32:])
	add("ES256 short", "63 bytes", ec, ecSig[1:])
	rs, rsSig := parts(r.by(r.rs))
	add("RS256 with a leading zero", "257 bytes", rs, "\x00"+rsSig)
	add("RS256 empty padding", "the hash alone", rs, rsSig[:32])
	out = append(out, refused(wellFormed, "not three parts", "empty", "a third part of nothing", ed+"."))
	return out
}

// malleable adds the group order to the S of an Ed25519 signature.
func malleable(sig string) string {
	order := []uint64{0x5812631a5cf5d3ed, 0x14def9dea2f79cd6, 0, 0x1000000000000000}
	out := []byte(sig)
	var carry uint64
	for i, w := range order {
		at := out[32+8*i:]
		s := binary.LittleEndian.Uint64(at)
		sum := s + w + carry
		carry = 0
		if sum < s {
			carry = 1
		}
		binary.LittleEndian.PutUint64(at, sum)
	}
	return string(out)
}

func (r *recipes) headers() []vector {
	var out []vector
	add := func(detail, name, why, header string) {
		out = append(out, refused(wellFormed, detail, name, why, r.of(header, r.payload())))
	}
	const forbidden = "a header that isn't allowed"
	strangerJWK, err := r.odd.Verification().JWK()
	if err != nil {
		r.t.Fatal(err)
	}
	jwk, err := json.Marshal(strangerJWK)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, m := range [][2]string{
		{"crit", `["exp"]`},
		{"jku", `"https://evil.example/jwks.json"`},
		{"jwk", string(jwk)},
		{"x5u", `"https://evil.example/chain.pem"`},
		{"x5c", `["MIIB"]`},
		{"b64", "false"},
	} {
		add(forbidden, m[0], "a header that names other rules or keys", header(r.ed, fmt.Sprintf("%q:%s", m[0], m[1])))
	}
	add(forbidden, "crit empty", "RFC 7515 §4.1.11: must not be empty", header(r.ed, `"crit":[]`))
	add(forbidden, "crit with b64", "RFC 7797: the payload wouldn't be encoded", header(r.ed, `"b64":false`, `"crit":["b64"]`))
	add(forbidden, "b64 true", "what it says is the default", header(r.ed, `"b64":true`))
	add(forbidden, "jwk null", "there at all is too much", header(r.ed, `"jwk":null`))
	add(forbidden, "jku escaped", `"\u006aku" is jku`, header(r.ed, `"\u006aku":"https://evil.example/"`))
	byStranger := fmt.Sprintf(`{"alg":"EdDSA","typ":"at+jwt","jwk":%s}`, jwk)
	out = append(out, refused(wellFormed, forbidden, "jwk of the signer", "signed by the key that it brings along",
		r.seal(r.odd, b64(byStranger)+"."+b64(r.payload()))))

	const twice = "two members of one name"
	add(twice, "alg twice", "", header(r.ed, `"alg":"EdDSA"`))
	add(twice, "alg twice, once none", "which one counts?", `{"alg":"none",`+header(r.ed)[1:])
	add(twice, "kid twice", "", header(r.ed, fmt.Sprintf(`"kid":%q`, r.ed.KID)))
	add(twice, "typ twice", "", header(r.ed, `"typ":"JWT"`))
	add(twice, "alg twice by an escape", `"\u0061lg" is alg`, header(r.ed, `"\u0061lg":"none"`))
	add(twice, "an unknown member twice", "", header(r.ed, `"x":1`, `"x":1`))
	add(twice, "a member twice within a member", "", header(r.ed, `"x":{"y":1,"y":2}`))
	r.badJSON(func(name, why, detail string, spoil func(string) string) {
		add(detail, name, why, spoil(header(r.ed)))
	})
	return out
}

// badJSON hands out the ways to spoil a JSON object, which concern header and
// payload alike.
func (r *recipes) badJSON(add func(name, why, detail string, spoil func(string) string)) {
	const syntax = "not JSON"
	member := func(text string) func(string) string {
		return func(s string) string { return s[:len(s)-1] + "," + text + "}" }
	}
	is := func(text string) func(string) string { return func(string) string { return text } }
	add("a list", "", syntax, func(s string) string { return "[" + s + "]" })
	add("a string", "", syntax, is(`"a"`))
	add("null", "", syntax, is("null"))
	add("a number", "", syntax, is("1"))
	add("not JSON at all", "", syntax, is("hello"))
	add("two objects", "", "something after the JSON object", func(s string) string { return s + "{}" })
	add("a zero byte at the end", "", "something after the JSON object", func(s string) string { return s + "\x00" })
	add("a byte order mark", "", syntax, func(s string) string { return "\ufeff" + s })
	add("a comma at the end", "", "not a string where one is needed", func(s string) string { return s[:len(s)-1] + ",}" })
	add("no end", "", syntax, func(s string) string { return s[:len(s)-1] })
	add("a comment", "", "not a string where one is needed", func(s string) string { return "{/**/" + s[1:] })
	add("single quotes", "", "not a string where one is needed", member(`'x':1`))
	add("a bare name", "", "not a string where one is needed", member(`x:1`))
	add("no colon", "", syntax, member(`"x" 1`))
	add("a name without a value", "", syntax, member(`"x"`))
	add("NaN", "", syntax, member(`"x":NaN`))
	add("Infinity", "", syntax, member(`"x":-Infinity`))
	add("True", "", syntax, member(`"x":True`))
	add("a leading zero", "", syntax, member(`"x":01`))
	add("a leading plus", "", syntax, member(`"x":+1`))
	add("a leading point", "", syntax, member(`"x":.5`))
	add("a trailing point", "", syntax, member(`"x":1.`))
	add("an exponent of nothing", "", syntax, member(`"x":1e`))
	add("a hexadecimal number", "", syntax, member(`"x":0x1`))
	add("invalid UTF-8", "", "invalid UTF-8", member("\"x\":\"\xff\""))
	add("overlong UTF-8", "", "invalid UTF-8", member("\"x\":\"\xc0\xaf\""))
	add("a surrogate in UTF-8", "", "invalid UTF-8", member("\"x\":\"\xed\xa0\x80\""))
	add("a lone high surrogate", "", "a bad escape in a string", member(`"x":"\ud800"`))
	add("a lone low surrogate", "", "a bad escape in a string", member(`"x":"\udc00"`))
	add("a surrogate pair the wrong way round", "", "a bad escape in a string", member(`"x":"\udc00\ud800"`))
	add("a high surrogate before another escape", "", "a bad escape in a string", member(`"x":"\ud800\u0041"`))
	add("a lone surrogate in a name", "", "a bad escape in a string", member(`"\ud800":1`))
	add("an unknown escape", "", "a bad escape in a string", member(`"x":"\x41"`))
	add("a short escape", "", "a bad escape in a string", member(`"x":"\u41"`))
	add("a control character", "", "a control character in a string", member("\"x\":\"a\nb\""))
	add("nested deeply", "9 levels", "nested too deeply", member(`"x":`+strings.Repeat("[", 8)+strings.Repeat("]", 8)))
	add("nested very deeply", "1,000 levels", "nested too deeply", member(`"x":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)))
	add("many members", "more than 64", "too many members", member(strings.TrimSuffix(manyMembers(65), ",")))
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"m%d":1,`, i)
	}
	return b.String()
}

func (r *recipes) kids() []vector {
	var out []vector
	head := func(kid string) string {
		return fmt.Sprintf(`{"alg":"EdDSA","typ":"at+jwt","kid":%s}`, kid)
	}
	unknown := func(name, kid string) {
		out = append(out, refused(signature, "unknown key", name, "", r.of(head(kid), r.payload())))
	}
	bad := func(detail, name, kid string) {
		out = append(out, refused(wellFormed, detail, name, "", r.of(head(kid), r.payload())))
	}
	unknown("path traversal", `"../../../../dev/null"`)
	unknown("SQL", `"x' UNION SELECT 'AA'--"`)
	unknown("a URL", `"https://evil.example/key"`)
	unknown("a command", `"key|id"`)
	unknown("a zero byte at the end", fmt.Sprintf(`"%s\u0000"`, r.ed.KID))
	unknown("a space at the end", fmt.Sprintf(`"%s "`, r.ed.KID))
	unknown("in another case", fmt.Sprintf("%q", strings.ToLower(r.ed.KID)))
	unknown("the beginning of one", fmt.Sprintf("%q", r.ed.KID[:20]))
	unknown("a stranger's", fmt.Sprintf("%q", r.odd.KID))
	out = append(
		out,
		refused(signature, "unknown key", "missing", "only a shared secret may go without",
			r.of(`{"alg":"EdDSA","typ":"at+jwt"}`, r.payload())),
		refused(signature, "the algorithm isn't the key's", "another key's", "the id of the ES256 key",
			r.of(head(fmt.Sprintf("%q", r.ec.KID)), r.payload())),
		refused(signature, "unknown key", "a stranger's own", "signed well by a key in no set", r.by(r.odd)),
	)
	bad("kid is empty or too long", "empty", `""`)
	bad("kid is empty or too long", "of 129 bytes", `"`+strings.Repeat("k", 129)+`"`)
	bad("not a string where one is needed", "null", "null")
	bad("not a string where one is needed", "a number", "1")
	bad("not a string where one is needed", "a list", fmt.Sprintf("[%q]", r.ed.KID))
	return out
}

func (r *recipes) types() []vector {
	var out []vector
	head := func(typ string) string { return strings.Replace(header(r.ed), `"at+jwt"`, typ, 1) }
	for _, typ := range []string{
		"JWT", "at+JWT", "AT+JWT", "At+jwt", "application/at+jwt", "at+jwt ", " at+jwt", "at+jwt;q=1", "at-jwt", "",
		"logout+jwt", "dpop+jwt",
	} {
		out = append(out, refused("type", "wrong type", fmt.Sprintf("%q", typ), "not exactly at+jwt",
			r.of(head(fmt.Sprintf("%q", typ)), r.payload())))
	}
	return append(
		out,
		refused("type", "wrong type", "an API key", "is traded for an access token, and none itself",
			r.of(head(`"api-key+jwt"`), r.payload())),
		refused("type", "wrong type", "missing", "RFC 9068 §2.1 wants it",
			r.of(strings.Replace(header(r.ed), `"typ":"at+jwt",`, "", 1), r.payload())),
		refused(wellFormed, "not a string where one is needed", "null", "", r.of(head("null"), r.payload())),
		refused(wellFormed, "not a string where one is needed", "a list", "", r.of(head(`["at+jwt"]`), r.payload())),
	)
}
