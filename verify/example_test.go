package verify_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/bearerd/bearerd/verify"
	"github.com/bearerd/bearerd/verify/verifytest"
)

// exampleIssuer stands for a running bearerd.
func exampleIssuer() (*verifytest.Issuer, verify.Config, func()) {
	tb := &exampleTB{ctx: context.Background()}
	issuer := verifytest.NewIssuer(tb)
	return issuer, issuer.Config(), tb.end
}

// exampleTB runs cleanups when the example ends.
type exampleTB struct {
	testing.TB

	ctx      context.Context //nolint:containedctx // it is a test's
	cleanups []func()
}

func (e *exampleTB) Helper()                  {}
func (e *exampleTB) Cleanup(f func())         { e.cleanups = append(e.cleanups, f) }
func (e *exampleTB) Context() context.Context { return e.ctx }
func (e *exampleTB) Fatal(args ...any)        { log.Panic(args...) }

func (e *exampleTB) end() {
	for _, f := range e.cleanups {
		f()
	}
}

// A service in which every request must have a valid token.
func Example() {
	issuer, config, end := exampleIssuer() // verify.Config{Issuer: "https://auth.example.org", …}
	defer end()

	v, err := verify.New(context.Background(), config)
	if err != nil {
		log.Panic(err)
	}
	defer v.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, r *http.Request) {
		t, _ := verify.FromContext(r.Context())
		_, _ = fmt.Fprintf(w, "hello %s", t.Username)
	})
	handler := v.Middleware(mux) // http.ListenAndServe(addr, v.Middleware(mux))

	raw := issuer.Token(verifytest.Claims{Username: "jthomas"})
	fmt.Println(get(handler, "/hello", raw))
	fmt.Println(get(handler, "/hello", ""))
	// Output:
	// 200 hello jthomas
	// 401 {}
}

// get sends a request with a token, and returns status and body.
func get(h http.Handler, path, raw string) string {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if raw != "" {
		r.Header.Set("Authorization", "Bearer "+raw)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return strconv.Itoa(w.Code) + " " + w.Body.String()
}

// The error of an invalid token has the response for its client.
func ExampleVerifier_Verify() {
	issuer, config, end := exampleIssuer()
	defer end()
	v, err := verify.New(context.Background(), config)
	if err != nil {
		log.Panic(err)
	}
	defer v.Close()
	issuer.Watch(v)

	raw := issuer.Token(verifytest.Claims{Subject: "7", Scope: []string{"read"}})
	t, err := v.Verify(context.Background(), raw)
	fmt.Println(t.Kind, t.Subject, t.HasScope("read"), err)

	issuer.Revoke(raw)
	_, err = v.Verify(context.Background(), raw)
	if e, ok := errors.AsType[*verify.Error](err); ok {
		fmt.Println(e.Status, e.Challenge("specimens"))
	}
	// Output:
	// access 7 true <nil>
	// 401 Bearer realm="specimens", error="invalid_token", error_description="revoked"
}

func ExampleRequireScope() {
	issuer, config, end := exampleIssuer()
	defer end()
	v, err := verify.New(context.Background(), config)
	if err != nil {
		log.Panic(err)
	}
	defer v.Close()
	mux := http.NewServeMux()
	mux.Handle("GET /specimens", verify.RequireScope("read")(http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("Salmo trutta")) })))
	handler := v.Middleware(mux)

	fmt.Println(get(handler, "/specimens", issuer.Token(verifytest.Claims{Scope: []string{"read"}})))
	fmt.Print(get(handler, "/specimens", issuer.Token(verifytest.Claims{})))
	// Output:
	// 200 Salmo trutta
	// 403 {"error":"insufficient_scope","error_description":"the scope read is needed","scope":"read"}
}

func ExampleRequireCollection() {
	issuer, config, end := exampleIssuer()
	defer end()
	v, err := verify.New(context.Background(), config)
	if err != nil {
		log.Panic(err)
	}
	defer v.Close()
	byPath := func(r *http.Request) (int64, error) { return strconv.ParseInt(r.PathValue("id"), 10, 64) }
	mux := http.NewServeMux()
	mux.Handle("GET /collections/{id}", verify.RequireCollection(byPath)(http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("fish")) })))
	handler := v.Middleware(mux)

	raw := issuer.Token(verifytest.Claims{Collection: 4})
	fmt.Println(get(handler, "/collections/4", raw))
	fmt.Print(get(handler, "/collections/42", raw))
	// Output:
	// 200 fish
	// 403 {"error":"insufficient_scope","error_description":"the token is for another collection"}
}
