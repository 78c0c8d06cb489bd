package doctor

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/bearerd/bearerd/internal/echo"
)

// wildcard is the part of a path that clients fill in.
var wildcard = regexp.MustCompile(`\{[^/]*\}`)

// dialects asks at every path of the dialects that are on whether it leads to the server.
// The application behind has other paths of its own, and may answer as bearerd would:
// only a confirmation by the server itself is proof.
func (w *Way) dialects(ctx context.Context, r *Report) {
	for _, d := range w.Paths {
		name := "dialect " + d.Dialect
		if w.Key == nil {
			r.Skip(name, "without the master key the server can't be asked whether requests arrive")
			continue
		}
		elsewhere, err := w.elsewhere(ctx, d.Paths)
		switch {
		case err != nil:
			r.Fail(name, err.Error(), "see the proxy's log")
		case len(elsewhere) > 0:
			r.Fail(name, "what doesn't reach bearerd: "+strings.Join(elsewhere, ", "),
				"let the proxy pass these paths on to bearerd as they are, without a check of its own; restart the server if "+d.Dialect+" is new in dialects; "+proxyPages)
		default:
			r.OK(name, "%s", reached(len(d.Paths)))
		}
	}
}

func reached(n int) string {
	if n == 1 {
		return "its path reaches bearerd"
	}
	return fmt.Sprintf("all %d paths reach bearerd", n)
}

// elsewhere returns those of the paths that don't lead to the server.
func (w *Way) elsewhere(ctx context.Context, paths []string) (out []string, err error) {
	for _, path := range paths {
		asked := wildcard.ReplaceAllString(path, "bearerd-doctor")
		a, err := w.ask(ctx, http.MethodGet, w.Issuer+asked, http.Header{echo.ProofHeader: {w.Key.Proof(asked, w.Now())}})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if a.status != http.StatusNoContent || a.header.Get(echo.ReachedHeader) == "" {
			out = append(out, path)
		}
	}
	return out, nil
}
