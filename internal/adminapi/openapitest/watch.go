package openapitest

import (
	"bytes"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Watch serves by the mux and reports every answer to a described operation that
// has a status, a media type or a body that the document doesn't describe.
func (d *Document) Watch(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, r)
		if complaint := d.answerComplaint(r, rec); complaint != "" {
			d.tb.Errorf("%s %s: %s", r.Method, r.URL.Path, complaint)
		}
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

// answerComplaint returns what of an answer the document doesn't describe.
func (d *Document) answerComplaint(r *http.Request, rec *httptest.ResponseRecorder) string {
	path, operation := d.operation(r)
	if operation == nil {
		return ""
	}
	at := pointer("paths", path, strings.ToLower(r.Method), "responses", strconv.Itoa(rec.Code))
	response := d.at(at)
	if response == nil {
		return "the status " + strconv.Itoa(rec.Code) + " is not described; the body is " + rec.Body.String()
	}
	if ref := text(response["$ref"]); ref != "" {
		at, response = ref, d.at(ref)
	}
	content := child(response, "content")
	if rec.Body.Len() == 0 {
		if len(content) > 0 && r.Method != http.MethodHead {
			return "the answer has no body"
		}
		return ""
	}
	mediaType, _, err := mime.ParseMediaType(rec.Header().Get("Content-Type"))
	if err != nil || content[mediaType] == nil {
		return "the media type " + rec.Header().Get("Content-Type") + " is not described for " + strconv.Itoa(rec.Code)
	}
	if !strings.HasSuffix(mediaType, "json") {
		return ""
	}
	return d.schemaComplaint(at+"/content/"+strings.ReplaceAll(mediaType, "/", "~1")+"/schema", rec.Body.Bytes())
}

func (d *Document) schemaComplaint(at string, body []byte) string {
	d.mu.Lock()
	schema, err := d.compiler.Compile(location + at)
	d.mu.Unlock()
	if err != nil {
		return err.Error()
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return "the body is not JSON: " + err.Error()
	}
	if err := schema.Validate(value); err != nil {
		return "the body is not as described: " + err.Error()
	}
	return ""
}

// operation finds what describes the request, by the pattern that the mux chose.
func (d *Document) operation(r *http.Request) (string, object) {
	_, served := split(r.Pattern)
	for path, item := range child(d.root, "paths") {
		if o, ok := item.(object); ok && r.Pattern != "" && plain(path) == served {
			method := strings.ToLower(r.Method)
			if slices.Contains(methods, method) {
				return path, child(o, method)
			}
		}
	}
	return "", nil
}
