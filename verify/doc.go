// Package verify lets a Go service accept the tokens of a bearerd, in-process and
// at the price of a map look-up, and refuse those that were revoked.
//
//	v, err := verify.New(ctx, verify.Config{
//		Issuer:           "https://auth.example.org",
//		Audience:         "https://api.example.org",
//		ClientID:         "api",
//		ClientSecretFile: "/etc/api/secret",
//	})
//	if err != nil { … }
//	defer v.Close()
//	err = http.ListenAndServe(addr, v.Middleware(mux))
//
// Begin with [New], [Verifier.Middleware], [FromContext] and [RequireScope]. A
// service that has no net/http in front calls [Verifier.Verify] itself. The package
// verifytest has an issuer for the tests of such a service.
//
// # How it works
//
// New reads the issuer's metadata (RFC 8414) and keys (RFC 7517), and then follows
// its revocation log. The client that it is given needs the grant
// client_credentials and the scopes revocations and introspect.
//
// A JWT is judged without asking anybody: its form, signature, type, issuer, times
// and audience, and then whether the log has revoked the token, something that
// it was made from, its subject, its client or its key. An opaque API token is
// asked about once (RFC 7662); what the answer said is remembered for at most five
// minutes, and until the log says that it may have changed. Only facts are
// remembered, under a digest of the token: every check is made on every call.
//
// # What is guaranteed
//
// A revocation that was committed at time T is honoured by Verify from T + L at the
// latest, whatever is slow, paused, cut off or dead, and with no agreement of
// clocks; usually within milliseconds. L is the issuer's max_staleness, or
// [Config.MaxStaleness]. To keep that, a verifier says yes only under a lease: news
// from the issuer that is younger than L by a clock that never goes back. Without a
// lease it refuses with 503, unless [Config.OnStale] says to ask the issuer about
// each token.
//
// Once the verifier has applied an entry of the log, no Verify that begins later
// says yes to what the entry names. But the issuer's answer to a revocation with
// wait=true waits for the nodes of bearerd itself and not for verifiers outside:
// these have until T + L.
//
// Who loses access to a collection is refused within the same time: when the log
// says that something about it changed after a token was decided, the issuer is
// asked again.
//
// A log that has a gap, repeats itself, or says what this version can't understand
// is refused: the lease runs out, and [Verifier.Health] and the logger tell why.
//
// # What it costs the issuer
//
// One open connection, the keys now and then, and one introspection for each new API
// token. Tokens of random characters, key ids that nobody has, and tokens asked for
// at once by many requests are bounded: see [Config.NewTokensPerSecond].
package verify
