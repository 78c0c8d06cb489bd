package httpkit

import "net/http"

// HandlePublic mounts a public document, which is the same for everybody, at a path:
// scripts of every origin may read it, without credentials, and preflights are answered.
// h must answer GET and HEAD in the same way.
func HandlePublic(mux *http.ServeMux, path string, h http.Handler) {
	mux.Handle("GET "+path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowEverybody(w.Header())
		h.ServeHTTP(w, r)
	}))
	mux.Handle("OPTIONS "+path, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		allowEverybody(h)
		h.Set("Allow", "GET, HEAD, OPTIONS")
		h.Set("Access-Control-Allow-Methods", "GET, HEAD")
		h.Set("Access-Control-Allow-Headers", "*, authorization") // * leaves that one out
		h.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
	}))
}

func allowEverybody(h http.Header) { h.Set("Access-Control-Allow-Origin", "*") }
