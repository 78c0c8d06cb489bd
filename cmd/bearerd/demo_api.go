package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sampleAPI is an example of an application behind bearerd: it knows nothing of tokens,
// and trusts the headers that name the caller. It requires the scope read for reading and
// the scope write for writing, and limits a token for one collection to that collection.
// Which collections a user may enter is checked by bearerd's routes.
type sampleAPI struct {
	url    string
	server *http.Server

	mu        sync.Mutex
	specimens []specimen
}

// specimen is one catalogued thing in a collection.
type specimen struct {
	ID            int    `json:"id"`
	Collection    string `json:"collection"`
	CatalogNumber string `json:"catalog_number"`
	Name          string `json:"name"`
	CataloguedBy  string `json:"catalogued_by"`
}

// startSampleAPI serves the API on a free port of loopback.
func startSampleAPI(ctx context.Context) (*sampleAPI, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &sampleAPI{url: "http://" + l.Addr().String(), specimens: []specimen{
		{1, "4", "KU 1001", "Lepomis macrochirus", "jthomas"},
		{2, "4", "KU 1002", "Micropterus salmoides", "jthomas"},
		{3, "32768", "KUT 77", "Salmo trutta", "jthomas"},
	}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.welcome)
	mux.HandleFunc("GET /api/whoami", a.whoami)
	mux.HandleFunc("GET /api/collections/{collection}/specimens", may("read", a.list))
	mux.HandleFunc("GET /api/collections/{collection}/specimens/{id}", may("read", a.one))
	mux.HandleFunc("POST /api/collections/{collection}/specimens", may("write", a.add))
	a.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = a.server.Serve(l) }() // ends with stop
	return a, nil
}

func (a *sampleAPI) stop() { _ = a.server.Close() }

func (a *sampleAPI) welcome(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, map[string]string{"specimens": "/api/collections/4/specimens", "you": visitor(r)})
}

// visitor is the caller that bearerd's headers name.
func visitor(r *http.Request) string {
	if user := r.Header.Get("Remote-User"); user != "" {
		return user
	}
	return "nobody in particular"
}

// whoami shows the headers that bearerd added.
func (a *sampleAPI) whoami(w http.ResponseWriter, r *http.Request) {
	identity := map[string]string{}
	for name, values := range r.Header {
		if strings.HasPrefix(name, "Remote-") || strings.HasPrefix(name, "X-Bearerd-") {
			identity[name] = values[0]
		}
	}
	answer(w, http.StatusOK, identity)
}

// may serves requests whose token has the scope and is valid for the collection.
func may(scope string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		collection := r.Header.Get("X-Bearerd-Collection")
		switch {
		case !slices.Contains(strings.Fields(r.Header.Get("X-Bearerd-Scope")), scope):
			answer(w, http.StatusForbidden, map[string]string{"error": "the token needs the scope " + scope})
		case collection != "" && collection != r.PathValue("collection"):
			answer(w, http.StatusForbidden, map[string]string{"error": "the token is for collection " + collection + " alone"})
		default:
			next(w, r)
		}
	}
}

func (a *sampleAPI) list(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found := []specimen{}
	for _, s := range a.specimens {
		if s.Collection == r.PathValue("collection") {
			found = append(found, s)
		}
	}
	answer(w, http.StatusOK, found)
}

func (a *sampleAPI) one(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.specimens {
		if s.Collection == r.PathValue("collection") && strconv.Itoa(s.ID) == r.PathValue("id") {
			answer(w, http.StatusOK, s)
			return
		}
	}
	answer(w, http.StatusNotFound, map[string]string{"error": "no such specimen"})
}

// maxSpecimens keeps a demo that runs for a long time from growing.
const maxSpecimens = 1000

func (a *sampleAPI) add(w http.ResponseWriter, r *http.Request) {
	var s specimen
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&s)
	if err != nil || s.CatalogNumber == "" || s.Name == "" {
		answer(w, http.StatusBadRequest, map[string]string{"error": "a specimen needs catalog_number and name"})
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.specimens) >= maxSpecimens {
		answer(w, http.StatusInsufficientStorage, map[string]string{"error": "the cabinet is full"})
		return
	}
	s.ID = len(a.specimens) + 1
	s.Collection, s.CataloguedBy = r.PathValue("collection"), r.Header.Get("Remote-User")
	a.specimens = append(a.specimens, s)
	answer(w, http.StatusCreated, s)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client has gone
}
