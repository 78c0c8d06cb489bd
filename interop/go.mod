// Tests alone: that the clients people have understand what bearerd says. They are
// a module of their own so that their libraries never reach bearerd's users.
module github.com/bearerd/bearerd/interop

go 1.26.0

require (
	github.com/go-jose/go-jose/v4 v4.1.8
	github.com/golang-jwt/jwt/v5 v5.3.1
	golang.org/x/oauth2 v0.37.0
)
