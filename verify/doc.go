// Package verify verifies the tokens of a bearerd within a Go service, at the cost of a
// map look-up, and refuses those that were revoked.
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
// Begin with [New], [Verifier.Middleware], [FromContext] and [RequireScope]. A service
// without net/http calls [Verifier.Verify] itself. The package verifytest has an issuer
// for the tests of such a service.
//
// # How it works
//
// New reads the issuer's metadata (RFC 8414) and keys (RFC 7517), and then follows
// its revocation log. The client that it is given needs the grant
// client_credentials and the scopes revocations and introspect.
//
// A JWT is judged without a request to the issuer: its form, signature, type, issuer,
// times and audience, and then whether the log has revoked the token, something that it
// was made from, its subject, its client, its key, or any of those who act for its
// subject (RFC 8693 §4.1, Token.Actors). The issuer is asked about an opaque
// API token once (RFC 7662); the answer is kept for at most five minutes, and until the
// log says that it may have changed. Only facts are kept, under a digest of the token:
// every check is made on every call.
//
// # What is guaranteed
//
// Verify refuses a token that was revoked by a commit at time T from T + L at the latest,
// whatever is slow, paused, disconnected or has failed, and without synchronized clocks;
// usually within milliseconds. L is the issuer's max_staleness, or [Config.MaxStaleness].
// To keep that, a verifier accepts tokens only under a lease: a message from the issuer
// that is younger than L by a clock that never goes back. Without a lease it refuses with
// 503, unless [Config.OnStale] is set to ask the issuer about each token.
//
// Once the verifier has applied an entry of the log, no Verify that begins later accepts
// what the entry revokes. The issuer's answer to a revocation with wait=true waits for the
// nodes of bearerd itself and not for other verifiers: for these the limit is T + L. With
// wait=all it waits for those that confirm too: see [Config.Confirm].
//
// A user who loses access to a collection is refused within the same time: when the log
// says that something about the access changed after a token was decided, the issuer is
// asked again.
//
// A log that has a gap, repeats itself, or has an entry that this version doesn't know is
// refused: the lease expires, and [Verifier.Health] and the log say why.
//
// # What it costs the issuer
//
// One open connection, a request for the keys from time to time, and one introspection
// for each new API token. Requests about random tokens and unknown key ids are limited,
// and concurrent requests with one token cause one introspection: see
// [Config.NewTokensPerSecond].
package verify
