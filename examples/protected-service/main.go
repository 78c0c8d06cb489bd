// Command protected-service is a small API of specimens that accepts the tokens of a
// bearerd. It is an example of package verify: read newHandler first.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/bearerd/bearerd/verify"
)

func main() {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, logger); err != nil {
		logger.Error("ending", slog.Any("error", err))
		os.Exit(1)
	}
}

// run serves until ctx ends. What differs between deployments is in the environment.
func run(ctx context.Context, logger *slog.Logger) error {
	v, err := verify.New(ctx, verify.Config{
		Issuer:           os.Getenv("ISSUER"),
		Audience:         os.Getenv("AUDIENCE"),
		ClientID:         os.Getenv("CLIENT_ID"),
		ClientSecretFile: os.Getenv("CLIENT_SECRET_FILE"),
		StartRefusing:    true, // the issuer may start after this service
		Logger:           logger,
	})
	if err != nil {
		return err
	}
	defer v.Close()
	server := &http.Server{Addr: os.Getenv("LISTEN"), Handler: newHandler(v), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	logger.InfoContext(ctx, "serving", slog.String("address", server.Addr))
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return server.Shutdown(ctx)
}

// newHandler returns the API. Only the readiness check needs no token. Reading needs the
// scope read, writing the scope write, and a collection's specimens a token for that
// collection.
func newHandler(v *verify.Verifier) http.Handler {
	s := &specimens{}
	api := http.NewServeMux()
	api.HandleFunc("GET /whoami", whoami)
	api.Handle("GET /specimens", verify.RequireScope("read")(http.HandlerFunc(s.list)))
	api.Handle("POST /specimens", verify.RequireScope("write")(http.HandlerFunc(s.add)))
	api.Handle("GET /collections/{id}/specimens",
		verify.RequireScope("read")(verify.RequireCollection(collectionOf)(http.HandlerFunc(s.list))))

	root := http.NewServeMux()
	root.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { ready(w, v.Health()) })
	root.Handle("/", v.Middleware(api))
	return root
}

// collectionOf returns the collection that a request is about.
func collectionOf(r *http.Request) (int64, error) {
	return strconv.ParseInt(r.PathValue("id"), 10, 64)
}

// ready answers 200 while tokens can be accepted, for the load balancer.
func ready(w http.ResponseWriter, h verify.Health) {
	if !h.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"ready": h.Ready, "seq": h.Seq})
}

// whoami shows callers who they are.
func whoami(w http.ResponseWriter, r *http.Request) {
	t, ok := verify.FromContext(r.Context())
	if !ok { // can't be, behind Middleware
		verify.WriteError(w, errors.New("no token"), "")
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"subject": t.Subject, "username": t.Username, "scope": t.Scope, "kind": t.Kind,
	})
}

// specimens is the data: names, and who added them.
type specimens struct {
	mu   sync.Mutex
	kept []specimen
}

type specimen struct {
	Name    string `json:"name"`
	AddedBy string `json:"added_by"`
}

// maxSpecimens keeps the example small.
const maxSpecimens = 1000

func (s *specimens) list(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	all := slices.Clone(s.kept)
	s.mu.Unlock()
	_ = json.NewEncoder(w).Encode(all)
}

func (s *specimens) add(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Name string `json:"name"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&body)
	t, _ := verify.FromContext(r.Context()) // RequireScope has seen it
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || body.Name == "" || len(s.kept) >= maxSpecimens {
		http.Error(w, `a specimen is {"name": …}`, http.StatusBadRequest)
		return
	}
	s.kept = append(s.kept, specimen{Name: body.Name, AddedBy: t.Subject})
	w.WriteHeader(http.StatusCreated)
}
