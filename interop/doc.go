// Package interop holds the tests of bearerd against the clients that people have:
// JOSE libraries, OAuth libraries, and the documented snippets of the systems whose
// endpoints it speaks; and of signing in with the OpenID providers that people run.
package interop
