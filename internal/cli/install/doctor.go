package install

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/doctor"
	"github.com/bearerd/bearerd/internal/echo"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/wiring"
)

func (p checks) doctorCommand() *cobra.Command {
	var local bool
	var caFile string
	wait := 10 * time.Second
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check an installation, and the way to it through the proxy",
		Long: `Check an installation that runs, and say what to do about each thing that is
wrong: the configuration and its files, the master key and the signing keys, the
database and its settings, the clocks, this machine's server, and the way to it.
For the latter it asks at the issuer's URL, as clients do: whether this bearerd
answers there, until when the certificate is valid, whether /auth/, /oauth2/ and
the paths of each dialect reach it, whether Authorization arrives, and whether
the proxy sends the client's address (X-Forwarded-For and trusted_proxies) and
no client can choose it.

It changes nothing. The server reports whether and how requests arrive only to
callers that have the master key, at /auth/doctor and at the paths of the
dialects, whose endpoints are not called. The exit code is 1 when a check failed;
a warning is about something that works but should be changed.`,
		Example: `  bearerd doctor --config bearerd.yaml
  bearerd doctor --local --output json`,
		Args: cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.LoadConfig(cmd)
			if err != nil {
				return err
			}
			w := &doctor.Way{Issuer: c.Issuer, Ops: c.OpsListen, TLS: c.TLS != (config.TLS{}), Paths: wiring.DialectPaths(c), Now: p.Now, Wait: wait}
			if caFile != "" {
				if w.Roots, err = readRoots(caFile); err != nil {
					return err
				}
			}
			return p.showReport(p.examine(cmd.Context(), c, w, local))
		},
	}
	cmd.Flags().BoolVar(&local, "local", false, "leave out what is asked at the issuer's URL")
	cmd.Flags().StringVar(&caFile, "ca-file", "", "the `FILE` of the authorities that the issuer's certificate may be of, instead of the system's")
	cli.DurationFlag(cmd, &wait, "timeout", "wait for each answer for this `TIME` at most")
	return cmd
}

// readRoots reads certificates of authorities.
func readRoots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--ca-file: %s has no certificate", file)
	}
	return roots, nil
}

// examine makes every check.
func (p checks) examine(ctx context.Context, c config.Config, w *doctor.Way, local bool) doctor.Report {
	var r doctor.Report
	asked := p.Now()
	in, errDatabase := inspectDatabase(ctx, c)
	took := p.Now().Sub(asked)
	p.examineConfig(ctx, c, &r)
	p.examineKeys(c, in, w, &r)
	switch {
	case errDatabase != nil:
		advice := "check database in the configuration; a PostgreSQL server must run"
		if !c.Database.IsPostgres() {
			advice = "check database in the configuration, and run this as the user that bearerd runs as"
		}
		r.Fail("database", strings.TrimPrefix(oneLine(errDatabase), "database: "), adviceOf(errDatabase, advice))
	case in == nil:
		r.Warn("database", "there is none yet: "+c.Database.String(), `the first "bearerd serve" creates it; see "bearerd init"`)
	default:
		r.Database(in, c.Database.Reveal())
		r.Keys(in.Keys, token.Algorithm(c.Signing.Algorithm))
		if !in.Now.IsZero() {
			r.Clock("clock and the database's", asked.Add(took/2), in.Now, took/2)
		}
	}
	runs := w.CheckServer(ctx, &r)
	if in != nil {
		w.Keys = in.Keys
		if c.Database.IsPostgres() {
			r.OK("nodes", "%s on the list", cli.Count(len(in.Nodes), "server"))
		}
	}
	switch {
	case local:
		r.Skip("issuer", "by --local")
	case !runs && w.Ops != "" && isHere(c.Issuer):
		r.Skip("issuer", "no server runs on this machine, and %s is here", c.Issuer)
	default:
		w.CheckOutside(ctx, &r)
	}
	return r
}

// isHere reports whether a URL leads to this machine.
func isHere(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && token.IsLoopback(u.Hostname())
}

// examineConfig checks what would stop the next start, but for the database and the keys,
// which have checks of their own.
func (p checks) examineConfig(ctx context.Context, c config.Config, r *doctor.Report) {
	const name = "configuration"
	files := wiring.CheckFiles(ctx, c, p.Now)
	errs := []error{files.Notices, files.Ways, files.Logo, files.TLS, files.Forms}
	if !files.StopsRehearsal() && token.Algorithm(c.Signing.Algorithm) != token.HS256 {
		errs = append(errs, wiring.Rehearse(ctx, c, p.Now))
	}
	before := len(*r)
	for _, err := range errs {
		if err != nil {
			r.Fail(name, oneLine(err), adviceOf(err, `correct it; "bearerd config check" says when it is good`))
		}
	}
	for _, warning := range c.Warnings() {
		r.Warn(name, warning, "change that setting")
	}
	if unread := p.Unread(); unread != "" {
		r.Warn(name, "the defaults and the variables, though there is a file", unread)
	}
	for _, route := range c.ReportOnly() {
		r.Warn(name, route+" is not enforced: nothing is refused there", `once "bearerd shadow" shows no difference, remove its "enforce: false"`)
	}
	if len(*r) == before {
		file := p.ConfigFile
		if file == "" {
			file = "the defaults and the variables"
		}
		r.OK(name, "%s", file)
	}
}

// examineKeys checks the master key or the secret, and derives from it the key that
// authenticates the requests to the server.
func (p checks) examineKeys(c config.Config, in *store.Inspection, w *doctor.Way, r *doctor.Report) {
	name := "master key"
	hs256 := token.Algorithm(c.Signing.Algorithm) == token.HS256
	if hs256 {
		name = "secret"
	}
	if err := checkSecrets(c, in); err != nil {
		r.Fail(name, oneLine(err), adviceOf(err, secretAdvice(c, err)))
		return
	}
	var key [32]byte
	var err error
	if hs256 {
		var secret []byte
		if secret, err = keyring.ReadSecret(c.Signing.SecretFile); err == nil {
			key, err = keyring.DeriveFrom(secret, echo.Purpose)
		}
	} else {
		var master keyring.Master
		if master, err = keyring.ReadMaster(c.MasterKeyPath()); err == nil {
			key, err = master.Derive(echo.Purpose)
		}
	}
	switch {
	case cli.IsMissing(err):
		r.Warn(name, "there is none yet: "+c.MasterKeyPath(), `the first "bearerd serve" makes it`)
	case err != nil:
		r.Fail(name, oneLine(err), "put back the file")
	default:
		opens := 0
		if in != nil {
			opens = len(in.Keys)
		}
		r.OK(name, "opens %s", cli.Count(opens, "signing key"))
		w.Key = (*echo.Key)(&key)
	}
}

// secretAdvice returns what to do about a master key or a secret that can't be used.
func secretAdvice(c config.Config, err error) string {
	file := c.MasterKeyPath()
	if token.Algorithm(c.Signing.Algorithm) == token.HS256 {
		file = c.Signing.SecretFile
	}
	if errors.Is(err, fs.ErrPermission) {
		return "run this as the user that bearerd runs as"
	}
	if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o037 != 0 {
		return "chmod 600 " + file
	}
	return "put back the file that belongs to this database, readable for its owner alone"
}

// adviceOf returns the hint of an error or, without one, the default advice.
func adviceOf(err error, usual string) string { return cmp.Or(hint.Of(err), usual) }

// oneLine returns the text of an error without line breaks.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func (p checks) showReport(r doctor.Report) error {
	failed, warnings := r.Count(doctor.Failed), r.Count(doctor.Warning)
	err := p.Show(struct {
		OK     bool           `json:"ok"`
		Checks []doctor.Check `json:"checks"`
	}{failed == 0, r}, func(w io.Writer) {
		for _, c := range r {
			_, _ = fmt.Fprintf(w, "%-8s %s: %s\n", word(c.State), c.Name, cli.Printable(c.Detail))
			if c.Advice != "" {
				_, _ = fmt.Fprintf(w, "%-8s %s\n", "", cli.Printable(c.Advice))
			}
		}
	})
	switch {
	case err != nil:
		return err
	case failed > 0:
		return fmt.Errorf("%s failed", cli.Count(failed, "check"))
	case warnings > 0:
		p.Say("nothing failed; %s", cli.Count(warnings, "warning"))
	default:
		p.Say("all is well")
	}
	return nil
}

// word is an outcome as one word that is easy to spot.
func word(s doctor.State) string {
	switch s {
	case doctor.Failed, doctor.Warning:
		return strings.ToUpper(string(s))
	case doctor.Skipped:
		return "-"
	case doctor.OK:
	}
	return string(s)
}
