package token_test

import (
	"fmt"
	"strings"

	"github.com/bearerd/bearerd/internal/token"
)

func (r *recipes) encodings() []vector {
	var out []vector
	const (
		base64Detail = "not canonical base64url"
		parts        = "not three parts"
	)
	add := func(detail, name, why, raw string) { out = append(out, refused(wellFormed, detail, name, why, raw)) }
	signed := func(head, payload string) string { return r.seal(r.ed, head+"."+payload) }
	good := r.with()
	// Lengths are 2 modulo 3, so that there is a padding and there are bits to spare.
	head := b64(fit(header(r.ed)))
	payload := b64(fit(r.payload()))
	add(base64Detail, "padding on the header", "signed as it stands", signed(head+"=", payload))
	add(base64Detail, "padding on the payload", "signed as it stands", signed(head, payload+"="))
	add(base64Detail, "padding on the signature", "", good+"==")
	add(base64Detail, "spare bits in the header", "signed as it stands", signed(spare(head), payload))
	add(base64Detail, "spare bits in the payload", "signed as it stands", signed(head, spare(payload)))
	add(base64Detail, "spare bits in the signature", "a second spelling of a good token", spare(good))
	add(base64Detail, "a line break in the header", "Go's decoder skips it", signed(head[:8]+"\n"+head[8:], payload))
	add(base64Detail, "a line break in the payload", "Go's decoder skips it", signed(head, payload[:8]+"\r\n"+payload[8:]))
	add(base64Detail, "a line break in the signature", "Go's decoder skips it", good[:len(good)-8]+"\n"+good[len(good)-8:])
	add(base64Detail, "a line break at the end", "", good+"\n")
	add(base64Detail, "a space in the payload", "", signed(head, payload[:8]+" "+payload[8:]))
	add(base64Detail, "a space before", "", " "+good)
	add(base64Detail, "a space after", "", good+" ")
	add(base64Detail, "a tab after", "", good+"\t")
	add(base64Detail, "a zero byte after", "", good+"\x00")
	add(base64Detail, "the alphabet of plain base64", "+ where - belongs", signed(head, b64(r.payload("x", `"???~~~"`))+"+///"))
	add(base64Detail, "a percent escape", "", strings.Replace(good, ".", "%2e", 1)+".e30")
	add(base64Detail, "one character too many", "a length no bytes have", signed(head, b64("abc")+"A"))
	add(base64Detail, "quotes around", "", `"`+good+`"`)
	add(base64Detail, "the scheme in front", "", "Bearer "+good)
	add(base64Detail, "a letter outside of ASCII", "", good[:len(good)-1]+"é")
	add(parts, "full stops of another script", "", strings.ReplaceAll(good, ".", "\u3002"))
	add(parts, "nothing", "", "")
	add(parts, "one part", "", strings.ReplaceAll(good, ".", ""))
	add(parts, "two parts", "", good[:strings.LastIndexByte(good, '.')])
	add(parts, "four parts", "", good+".e30")
	add(parts, "five parts", "the form of a JWE", b64(`{"alg":"dir","enc":"A256GCM"}`)+"..AAAA.AAAA.AAAA")
	add(parts, "two dots", "", "..")
	add(parts, "a dot in front", "", "."+good)
	add(parts, "a dot at the end", "", good+".")
	add(parts, "no header", "", good[strings.IndexByte(good, '.'):])
	add(parts, "no payload", "RFC 7515 appendix F: detached", head+"."+good[strings.LastIndexByte(good, '.'):])
	add(parts, "JSON serialisation", "RFC 7515 §7.2.1", fmt.Sprintf(
		`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, payload, head, good[strings.LastIndexByte(good, '.')+1:]))
	add(parts, "flattened JSON serialisation", "RFC 7515 §7.2.2", fmt.Sprintf(
		`{"payload":%q,"protected":%q,"signature":%q}`, payload, head, good[strings.LastIndexByte(good, '.')+1:]))
	add("not JSON", "nested", "a good token as the payload of another", r.of(header(r.ed, `"cty":"JWT"`), good))
	add("wrong length", "oversize", "more than 8 KiB", r.with("pad", `"`+strings.Repeat("a", 8000)+`"`))
	return out
}

// fit adds white space to JSON until its length is 2 modulo 3.
func fit(s string) string {
	for len(s)%3 != 2 {
		s += " "
	}
	return s
}

// spare sets a bit that the last character of base64url has to spare.
func spare(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + alphabet[last|1:][:1]
}

func (r *recipes) payloads() []vector {
	var out []vector
	add := func(detail, name, why, payload string) {
		out = append(out, refused(wellFormed, detail, name, why, r.of(header(r.ed), payload)))
	}
	const twice = "two members of one name"
	good := r.payload()
	member := func(text string) string { return good[:len(good)-1] + "," + text + "}" }
	add(twice, "sub twice", "which one counts?", member(`"sub":"admin"`))
	add(twice, "exp twice, alike", "", member(fmt.Sprintf(`"exp":%d`, r.keys.Now+600)))
	add(twice, "aud twice", "", member(fmt.Sprintf(`"aud":%q`, r.keys.Audience)))
	add(twice, "sub twice by an escape", `"s\u0075b" is sub`, member(`"s\u0075b":"admin"`))
	add(twice, "an unknown claim twice", "", member(`"pur":1,"pur":2`))
	add(twice, "a member twice within a claim", "", member(`"context":{"user":{"name":"a","name":"b"}}`))
	add(twice, "a member twice within a list", "", member(`"x":[{"y":1,"y":1}]`))
	add("a claim that must be there is missing or empty", "an empty object", "", "{}")
	r.badJSON(func(name, why, detail string, spoil func(string) string) {
		add(detail, name, why, spoil(good))
	})
	return out
}

func (r *recipes) claims() []vector {
	var out []vector
	add := func(detail, name, why string, pairs ...string) {
		out = append(out, refused(wellFormed, detail, name, why, r.with(pairs...)))
	}
	const (
		missing = "a claim that must be there is missing or empty"
		text    = "not a string where one is needed"
		integer = "a number that is no non-negative integer"
		scope   = "scope isn't of RFC 6749 syntax"
		chain   = "chain isn't a short list of ids"
		syntax  = "not JSON"
	)
	for _, name := range []string{"iss", "sub", "jti"} {
		add(missing, name+" missing", "", name, "")
		add(missing, name+" empty", "", name, `""`)
		add(text, name+" null", "", name, "null")
		add(text, name+" a number", "", name, "7")
		add(text, name+" a list", "", name, `["x"]`)
	}
	add(missing, "aud missing", "a token for nobody is not one for everybody", "aud", "")
	add(missing, "aud an empty list", "", "aud", "[]")
	add("aud is neither a string nor a list of strings, or holds an empty one", "aud empty", "", "aud", `""`)
	add("aud is neither a string nor a list of strings, or holds an empty one", "aud with an empty one", "", "aud", fmt.Sprintf(`[%q,""]`, r.keys.Audience))
	add(syntax, "aud null", "", "aud", "null")
	add(syntax, "aud a number", "", "aud", "1")
	add(syntax, "aud an object", "", "aud", fmt.Sprintf(`{%q:1}`, r.keys.Audience))
	add(text, "aud with a number", "", "aud", fmt.Sprintf(`[%q,1]`, r.keys.Audience))
	add(text, "aud nested", "", "aud", fmt.Sprintf(`[[%q]]`, r.keys.Audience))
	for _, name := range []string{"collection", "seq"} {
		add(integer, name+" negative", "", name, "-1")
		add(integer, name+" minus zero", "", name, "-0")
		add(integer, name+" with a fraction", "", name, "4.0")
		add(integer, name+" with an exponent", "", name, "4e0")
		add(integer, name+" a string", "", name, `"4"`)
		add(integer, name+" null", "", name, "null")
		add(integer, name+" true", "", name, "true")
		add(integer, name+" beyond 64 bits", "", name, "9223372036854775808")
		add(integer, name+" a list", "", name, "[4]")
	}
	r.badNetworks(add)
	add(syntax, "chain a string", "", "chain", `"a"`)
	add(syntax, "chain null", "", "chain", "null")
	add(text, "chain with a number", "", "chain", "[1]")
	add(text, "chain nested", "", "chain", `[["a"]]`)
	add(chain, "chain with an empty id", "", "chain", `["a",""]`)
	add(chain, "chain of 17", "", "chain", list(17, `"a"`))
	add(chain, "chain with an id of 65 bytes", "", "chain", `["`+strings.Repeat("a", 65)+`"]`)
	add(chain, "chain with a client of 256 bytes", "", "chain", `["client:`+strings.Repeat("a", 256)+`"]`)
	add(chain, "chain with a client without an id", "", "chain", `["client:"]`)
	const act = "act isn't an object of sub, or of sub and act, at most 4 deep"
	add(act, "act a string", "", "act", `"agent"`)
	add(act, "act null", "there, and yet says nothing", "act", "null")
	add(act, "act a list", "", "act", `[{"sub":"agent"}]`)
	add(act, "act a number", "", "act", "1")
	add(act, "act empty", "somebody acts, and nobody knows who", "act", "{}")
	add(act, "act without sub", "", "act", `{"act":{"sub":"agent"}}`)
	add(act, "act with an empty sub", "", "act", `{"sub":""}`)
	add(text, "act with a number for sub", "", "act", `{"sub":7}`)
	add(act, "act with a sub of 256 bytes", "no client has such an id", "act", `{"sub":"`+strings.Repeat("a", 256)+`"}`)
	add(act, "act with another member", "which would name another than is judged", "act", `{"sub":"agent","iss":"https://other.example.org"}`)
	add(act, "act with sub in another case", "", "act", `{"Sub":"agent"}`)
	add("two members of one name", "act with sub twice", "which one counts?", "act", `{"sub":"agent","sub":"other"}`)
	add("two members of one name", "act with act twice", "", "act", `{"sub":"a","act":{"sub":"b"},"act":{"sub":"c"}}`)
	add(act, "act with a null within", "", "act", `{"sub":"agent","act":null}`)
	add(act, "act with a string within", "", "act", `{"sub":"agent","act":"other"}`)
	add(act, "act with another member within", "", "act", `{"sub":"agent","act":{"sub":"other","client_id":"x"}}`)
	add(act, "act of 5", "deeper than there may be", "act", `{"sub":"a","act":{"sub":"b","act":{"sub":"c","act":{"sub":"d","act":{"sub":"e"}}}}}`)
	add(syntax, "scope a number", "", "scope", "1")
	add(syntax, "scope null", "", "scope", "null")
	add(text, "scope with a number", "", "scope", `["read",1]`)
	add(scope, "scope with two spaces", "", "scope", `"read  write"`)
	add(scope, "scope with a space at the end", "", "scope", `"read "`)
	add(scope, "scope with a tab", "", "scope", `"read\twrite"`)
	add(scope, "scope with a quote", "", "scope", `"re\"ad"`)
	add(scope, "scope outside of ASCII", "", "scope", `"rÉad"`)
	add(scope, "scope with two names in one", "a list would hold another name than a string", "scope", `["read admin"]`)
	add(scope, "scope with an empty name", "", "scope", `["read",""]`)
	add(text, "client_id a number", "", "client_id", "1")
	add(text, "username a list", "", "username", `["jthomas"]`)
	add(text, "task_token_type a number", "", "task_token_type", "1")
	add("task_token_type is empty", "task_token_type empty", "there, and yet says nothing", "task_token_type", `""`)
	add(missing, "claims in another case", "member names are case-sensitive",
		"exp", "", "iat", "", "EXP", fmt.Sprint(r.keys.Now+600), "IAT", fmt.Sprint(r.keys.Now))
	return out
}

func (r *recipes) times() []vector {
	var out []vector
	now := r.keys.Now
	for _, name := range []string{"exp", "iat", "nbf"} {
		for _, v := range [][2]string{
			{"negative", "-1"},
			{"minus zero", "-0"},
			{"with a fraction", "1800000300.0"},
			{"with an exponent", "18e8"},
			{"a string", `"1800000300"`},
			{"null", "null"},
			{"true", "true"},
			{"beyond 2^53", "9007199254740993"},
			{"beyond 64 bits", "99999999999999999999"},
			{"a list", "[1800000300]"},
		} {
			out = append(out, refused(wellFormed, "a number that is no non-negative integer", name+" "+v[0], "RFC 7519 §2: bearerd takes whole seconds in digits",
				r.with(name, v[1])))
		}
		out = append(out, refused(wellFormed, "not JSON", name+" with a leading zero", "", r.with(name, "01800000300")))
	}
	const missing = "a claim that must be there is missing or empty"
	return append(
		out,
		refused(wellFormed, missing, "exp missing", "a token for ever", r.with("exp", "")),
		refused(wellFormed, missing, "iat missing", "", r.with("iat", "")),
		refused("time", token.ReasonExpired, "exp now", "good until before that second", r.with("exp", fmt.Sprint(now))),
		refused("time", token.ReasonExpired, "exp a second ago", "no leeway", r.with("exp", fmt.Sprint(now-1))),
		refused("time", token.ReasonExpired, "exp 0", "1970", r.with("exp", "0")),
		refused("time", token.ReasonExpired, "expired and not yet valid", "exp is looked at first", r.with("exp", "1", "nbf", fmt.Sprint(now+60))),
		refused("time", "not yet valid", "nbf 31 s ahead", "a second more than clocks may differ", r.with("nbf", fmt.Sprint(now+31))),
		refused("time", "not yet valid", "iat 31 s ahead", "a second more than clocks may differ", r.with("iat", fmt.Sprint(now+31))),
		refused("time", "not yet valid", "iat 2^53", "the greatest numeric date", r.with("iat", "9007199254740992")),
	)
}

func (r *recipes) audiences() []vector {
	var out []vector
	for _, iss := range []string{
		"https://evil.example.org", r.keys.Issuer + "/", strings.ToUpper(r.keys.Issuer), r.keys.Issuer + ".evil.example",
		strings.Replace(r.keys.Issuer, "https", "http", 1), r.keys.Issuer + " ",
	} {
		out = append(out, refused("issuer", "wrong issuer", fmt.Sprintf("iss %q", iss), "not exactly the issuer", r.with("iss", fmt.Sprintf("%q", iss))))
	}
	for _, aud := range []string{
		"https://other.example.org", r.keys.Audience + "//", r.keys.Audience + "/a", strings.ToUpper(r.keys.Audience), r.keys.Audience[:10],
		r.keys.Audience + " https://other.example.org", "*", r.keys.Issuer,
	} {
		out = append(out, refused("audience", "wrong audience", fmt.Sprintf("aud %q", aud), "not exactly the audience", r.with("aud", fmt.Sprintf("%q", aud))))
	}
	return append(
		out,
		accepted("aud with a slash at its end", "one slash at the end of a URL is nothing: URL libraries add it", r.with("aud", fmt.Sprintf("%q", r.keys.Audience+"/"))),
		refused("audience", "wrong audience", "aud without it", "", r.with("aud", `["a","b"]`)),
		refused("audience", "wrong audience", "a task token", "is for the services of its type alone", r.with("aud", `"TES"`, "task_token_type", `"TES"`)),
		refused("issuer", "wrong issuer", "wrong issuer, expired, wrong audience", "the issuer is looked at first", r.with("iss", `"x"`, "exp", "1", "aud", `"x"`)),
		refused("time", token.ReasonExpired, "expired, wrong audience", "the time is looked at first", r.with("exp", "1", "aud", `"x"`)),
	)
}

func (r *recipes) shared() []vector {
	secret := token.SigningKey{Algorithm: token.HS256, Key: []byte(r.keys.Secret)}
	by := func(k token.SigningKey, head string) string { return r.seal(k, b64(head)+"."+b64(r.payload())) }
	const bare = `{"alg":"HS256","typ":"at+jwt"}`
	signed := b64(bare) + "." + b64(r.payload())
	truncated := signed + "." + b64(string(r.sign(secret, signed)[:16]))
	wrong := token.SigningKey{Key: []byte("another secret of at least thirty-two bytes")}
	return []vector{
		accepted("without kid", "there is one secret only", by(secret, bare)),
		accepted("with its kid", "", by(secret, fmt.Sprintf(`{"alg":"HS256","typ":"at+jwt","kid":%q}`, r.keys.SecretKID))),
		refused(signature, "unknown key", "another kid", "if there is one, it must match", by(secret, `{"alg":"HS256","typ":"at+jwt","kid":"other"}`)),
		refused(wellFormed, "kid is empty or too long", "an empty kid", "not the same as none", by(secret, `{"alg":"HS256","typ":"at+jwt","kid":""}`)),
		refused(signature, "bad signature", "another secret", "", by(wrong, bare)),
		refused(signature, "bad signature", "the empty secret", "", by(token.SigningKey{Key: []byte{}}, bare)),
		refused(signature, "the algorithm isn't the key's", "alg none", "", by(secret, `{"alg":"none","typ":"at+jwt"}`)),
		refused(signature, "the algorithm isn't the key's", "alg HS512", "", by(secret, `{"alg":"HS512","typ":"at+jwt"}`)),
		refused(signature, "the algorithm isn't the key's", "EdDSA without kid", "signed by a key of another ring", r.seal(r.ed, b64(`{"alg":"EdDSA","typ":"at+jwt"}`)+"."+b64(r.payload()))),
		refused(signature, "bad signature", "a truncated MAC", "16 of 32 bytes", truncated),
		refused(signature, "bad signature", "an Ed25519 signature as the MAC", "", r.seal(r.ed, b64(bare)+"."+b64(r.payload()))),
	}
}
