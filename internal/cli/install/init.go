package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/login"
	"github.com/bearerd/bearerd/internal/setup"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/suggest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/wiring"
)

// wishes are the settings of a new installation.
type wishes struct {
	file         string
	issuer       string
	database     string
	master       string
	listen, ops  string
	dialects     []string
	admin        string
	passwordFile string

	password token.Secret
}

// beginning is the command that begins an installation.
type beginning struct{ *cli.Program }

func (p beginning) command() *cobra.Command {
	var w wishes
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a configuration, and create the first administrator",
		Long: `Begin a new installation: write a configuration with every setting and what it is
about, create the master key (a file that only its owner may read) and the database,
and create the first administrator. Nothing that exists is overwritten; a database
and a master key that are there already are used.

At a terminal it asks for what no flag says. Otherwise the flags and the defaults
count, and without --admin no administrator is created. Everything is checked before
anything is written.`,
		Example: `  bearerd init
  bearerd init --issuer https://auth.example.org --admin ada --password-file password
  bearerd init --database postgres://bearerd@db/bearerd -o /etc/bearerd/bearerd.yaml`,
		Args: cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			w.issuer, w.database, w.master = cli.FlagValue(cmd, "issuer"), cli.FlagValue(cmd, "database"), cli.FlagValue(cmd, "master-key-file")
			return p.initialize(cmd, &w)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&w.file, "output", "o", cli.UsualConfig, "write the configuration to this new `FILE`")
	f.StringVar(&w.listen, "listen", "", "the `ADDRESS` of the endpoints (default "+config.Default().Listen+", or the port of an http issuer on this machine)")
	f.StringVar(&w.ops, "ops-listen", config.Default().OpsListen, "the `ADDRESS` of health and metrics")
	f.StringSliceVar(&w.dialects, "dialects", nil, "the `SYSTEMS` whose endpoints are on: "+strings.Join(dialectNames(), ", "))
	f.StringVar(&w.admin, "admin", "", "the `NAME` of the first administrator")
	cli.PasswordFlag(cmd, &w.passwordFile)
	cli.FlagValues(cmd, "dialects", dialectNames()...)
	return cmd
}

func dialectNames() []string {
	var names []string
	for _, name := range wiring.Dialects() {
		names = append(names, string(name))
	}
	slices.Sort(names)
	return names
}

func (p beginning) initialize(cmd *cobra.Command, w *wishes) error {
	if p.ConfigFile != "" {
		return hint.Add(errors.New("--config names a configuration that exists, and init writes a new one"), "name the new file with -o")
	}
	if info, err := os.Stat(w.file); err == nil && info.IsDir() {
		return hint.Add(fmt.Errorf("--output: %s is a folder, and must name a file", w.file), "write -o %s", filepath.Join(w.file, cli.UsualConfig))
	}
	if _, err := os.Lstat(w.file); err == nil {
		return hint.Add(fmt.Errorf("%s exists already, and was not changed", w.file),
			"name another file with -o, or check this one with \"bearerd config check --config %s\"", w.file)
	}
	if p.Interactive() {
		if err := p.askWishes(cmd, w); err != nil {
			return err
		}
	}
	if w.passwordFile != "" && w.admin == "" {
		return hint.Add(errors.New("--password-file is the password of an administrator, and none is named"), "name one with --admin")
	}
	c, err := w.config()
	if err != nil {
		return err
	}
	if err := p.checkWishes(cmd.Context(), c, w); err != nil {
		return err
	}
	text, err := setup.Configuration(quoted(w.file), w.settings(c))
	if err != nil {
		return err
	}
	if err := p.begin(cmd.Context(), c, w); err != nil {
		return err
	}
	if err := cli.WriteNewFile(w.file, []byte(text)); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	p.Say("wrote the configuration %s", w.file)
	p.warnAfter(c, w.file)
	return p.showNext(c, w)
}

// askWishes asks for what no flag says.
func (p beginning) askWishes(cmd *cobra.Command, w *wishes) error {
	p.Say("an empty answer takes the value in brackets")
	var names string
	for _, q := range []struct {
		flag, question, usual string
		answer                *string
		check                 func(string) error
	}{
		{"issuer", "the URL by which people and programs reach bearerd (with a proxy in front, the proxy's https URL)", config.Default().Issuer, &w.issuer, checkWish("issuer")},
		{"database", "the database: a file for SQLite, or postgres://user:password@host/name", w.beside(config.Default().Database.Reveal()), &w.database, checkWish("database")},
		{"dialects", "the systems whose endpoints are on, with commas (" + strings.Join(dialectNames(), ", ") + ")", "none", &names, func(s string) error {
			_, err := parseDialects(s)
			return err
		}},
		{"admin", "the username of the first administrator", "admin", &w.admin, identity.ValidateUsername},
	} {
		if cmd.Flags().Changed(q.flag) {
			continue
		}
		if err := p.Ask(q.question, q.usual, q.answer, q.check); err != nil {
			return err
		}
	}
	var err error
	if names != "" {
		w.dialects, err = parseDialects(names)
	}
	return err
}

// checkWish returns what is wrong with one setting, as the configuration judges it.
func checkWish(key string) func(string) error {
	return func(value string) error {
		_, err := config.Load("", nil, map[string]string{key: value})
		return plain(err)
	}
}

// plain returns the first problem of a configuration as an error with its hint.
func plain(err error) error {
	problems, ok := errors.AsType[config.ProblemsError](err)
	if !ok {
		return err
	}
	all := make([]error, len(problems))
	for i, one := range problems {
		all[i] = fmt.Errorf("%s %s", one.Key, one.Message)
		if one.Where != "" {
			all[i] = fmt.Errorf("%s: %s", one.Where, one.Message)
		}
		if one.Hint != "" {
			all[i] = hint.Add(all[i], "%s", one.Hint)
		}
	}
	return errors.Join(all...)
}

func parseDialects(s string) ([]string, error) {
	if s == "none" {
		return nil, nil
	}
	var list []string
	for name := range strings.SplitSeq(s, ",") {
		if name = strings.TrimSpace(name); name != "" {
			list = append(list, name)
		}
	}
	return list, checkDialects(list)
}

func checkDialects(list []string) error {
	for _, name := range list {
		if !slices.Contains(dialectNames(), name) {
			return hint.Add(fmt.Errorf("--dialects: unknown dialect %q", name), "%s", suggest.Instead("dialects", name, dialectNames(), false))
		}
	}
	return nil
}

// beside returns the path of a file in the folder of the configuration.
func (w *wishes) beside(name string) string { return filepath.Join(filepath.Dir(w.file), name) }

// config returns the configuration that the settings lead to.
func (w *wishes) config() (config.Config, error) {
	if err := checkDialects(w.dialects); err != nil {
		return config.Config{}, err
	}
	if w.listen == "" {
		w.listen = listenFor(w.issuer)
	}
	over := map[string]string{"listen": w.listen, "ops_listen": w.ops, "dialects": strings.Join(w.dialects, ",")}
	if w.database == "" {
		w.database = w.beside(config.Default().Database.Reveal())
	}
	over["database"] = w.database
	if w.issuer != "" {
		over["issuer"] = w.issuer
	}
	if w.master == "" && config.Database(w.database).IsPostgres() {
		w.master = w.beside(config.Default().MasterKeyFile)
	}
	if w.master != "" {
		over["master_key_file"] = w.master
	}
	c, err := config.Load("", nil, over)
	if err != nil {
		return c, plain(err)
	}
	if proxied(c) {
		c, err = config.Load("", nil, withKey(over, "trusted_proxies", "127.0.0.1,::1"))
	}
	return c, plain(err)
}

// listenFor returns where to listen for an issuer: on its own port where people and programs
// on this machine reach bearerd without a proxy.
func listenFor(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "http" || u.Port() == "" || !token.IsLoopback(u.Hostname()) {
		return config.Default().Listen
	}
	host := u.Hostname()
	if host == "localhost" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, u.Port())
}

func withKey(m map[string]string, key, value string) map[string]string {
	m[key] = value
	return m
}

// proxied reports whether a proxy on this machine must be in front: TLS ends somewhere
// else, and the endpoints can be reached only from this machine.
func proxied(c config.Config) bool {
	host, _, err := net.SplitHostPort(c.Listen)
	return err == nil && strings.HasPrefix(c.Issuer, "https://") && c.TLS == (config.TLS{}) && token.IsLoopback(host)
}

// settings returns what the configuration file sets, without the comments.
func (w *wishes) settings(c config.Config) []setup.Setting {
	list := []setup.Setting{
		{Key: "issuer", Value: c.Issuer},
		{Key: "listen", Value: c.Listen},
		{Key: "ops_listen", Value: c.OpsListen},
		{Key: "database", Value: c.Database.Reveal()},
		{Key: "dialects", Value: cli.NonNil(w.dialects)},
	}
	if w.master != "" {
		list = append(list, setup.Setting{Key: "master_key_file", Value: w.master})
	}
	if c.Signing.Algorithm != config.Default().Signing.Algorithm { // a dialect changed it
		list = append(list, setup.Setting{Key: "signing", Value: map[string]string{"algorithm": c.Signing.Algorithm}})
	}
	if len(c.TrustedProxies) > 0 {
		var networks []string
		for _, network := range c.TrustedProxies {
			networks = append(networks, network.String())
		}
		list = append(list, setup.Setting{Key: "trusted_proxies", Value: networks})
	}
	return list
}

// checkWishes returns everything that is in the way, before anything is written.
func (p beginning) checkWishes(ctx context.Context, c config.Config, w *wishes) error {
	in, errDatabase := inspectDatabase(ctx, c)
	if errDatabase != nil && c.Database.IsPostgres() {
		errDatabase = hint.Add(errDatabase, "check host, port, name, user and password in --database; create the database with: createdb -E UTF8 NAME")
	}
	var errMaster error
	if _, err := os.Stat(c.MasterKeyPath()); err == nil || in != nil && len(in.Keys) > 0 {
		errMaster = checkSecrets(c, in)
	}
	var errAdmin error
	if w.admin != "" {
		errAdmin = p.checkAdmin(c, w)
	}
	errFolder := checkFolder(filepath.Dir(w.file), "--output")
	if dir := filepath.Dir(c.MasterKeyPath()); dir != filepath.Dir(w.file) {
		errFolder = errors.Join(errFolder, checkFolder(dir, "--master-key-file"))
	} else if errFolder != nil && dir == filepath.Dir(c.Database.Reveal()) {
		errDatabase = nil // it is the same folder
	}
	return errors.Join(errFolder, errDatabase, errMaster, checkFree(ctx, "listen", c.Listen), checkFree(ctx, "ops-listen", c.OpsListen), errAdmin)
}

// checkFree returns why an address can't be listened on.
func checkFree(ctx context.Context, flag, address string) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		advice := "stop that program, or choose another port with --" + flag
		if flag == "listen" {
			advice += ", and name it in --issuer where no proxy stands in front"
		}
		return hint.Add(fmt.Errorf("--%s: %s is used by another program", flag, address), "%s", advice)
	case err != nil:
		return hint.Add(fmt.Errorf("--%s: %w", flag, err), "choose an address of this machine, and a port from 1024 up unless bearerd may use lower ones")
	}
	return l.Close()
}

// checkAdmin reads the administrator's password, and judges it.
func (p beginning) checkAdmin(c config.Config, w *wishes) error {
	if err := identity.ValidateUsername(w.admin); err != nil {
		return fmt.Errorf("--admin: %w", err)
	}
	rule := identity.PasswordRule{Min: c.SignIn.MinPassword}
	for {
		var err error
		if w.password, err = p.ReadNewPassword(w.passwordFile); err == nil {
			err = rule.Check(w.password.Reveal(), w.admin)
		}
		if err == nil {
			return nil
		}
		if fault.Is(err, fault.Invalid) {
			err = hint.Add(err, "choose a longer one, such as four or five words that have nothing to do with each other")
		}
		if w.passwordFile != "" || !p.Interactive() || !fault.Is(err, fault.Invalid) {
			return err
		}
		p.Complain(err)
	}
}

// begin creates the master key, the database and the administrator.
func (p beginning) begin(ctx context.Context, c config.Config, w *wishes) (err error) {
	if token.Algorithm(c.Signing.Algorithm) != token.HS256 {
		switch _, err := keyring.MakeMaster(c.MasterKeyPath()); {
		case err == nil:
			p.Say("created the master key %s; keep a copy of it apart from the backups", c.MasterKeyPath())
		case errors.Is(err, os.ErrExist):
			p.Say("using the master key %s, which exists already", c.MasterKeyPath())
		default:
			return err
		}
	}
	s, err := wiring.OpenStore(ctx, c, store.Options{Now: p.Now})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	local.WarnOfRestore(p.Program, s)
	if len(s.Migrated()) > 0 {
		p.Say("created the database %s", c.Database)
	} else {
		p.Say("using the database %s, which exists already", c.Database)
	}
	i, err := wiring.ForCommand(ctx, wiring.CommandParts{Config: c, Store: s, Now: p.Now})
	if err != nil {
		return err
	}
	_, _, err = i.Directory.CreateClient(ctx, caller.Operator(), identity.NewClient{ID: login.ClientID, Name: "bearerd on the command line", Grants: login.Grants()}, false)
	switch {
	case err == nil:
		p.Say("created the client %s, with which people log in by \"bearerd login\"", login.ClientID)
	case !fault.Is(err, fault.Conflict):
		return fmt.Errorf("creating the client %s: %w", login.ClientID, err)
	}
	if w.admin == "" {
		return nil
	}
	u, err := i.Directory.CreateUser(ctx, caller.Operator(), identity.NewUser{Username: w.admin, Password: w.password, Administrator: true})
	if fault.Is(err, fault.Conflict) {
		return hint.Add(fmt.Errorf("creating the administrator %s: %w", w.admin, err), "leave --admin out; \"bearerd binding create --user %s --permission '* /'\" makes that user an administrator", w.admin)
	}
	if err != nil {
		return fmt.Errorf("creating the administrator: %w", err)
	}
	p.Say("created the administrator %s", u.Username)
	return nil
}

// warnAfter warns of what works but shouldn't stay.
func (p beginning) warnAfter(c config.Config, file string) {
	for _, warning := range c.Warnings() {
		p.Say("warning: %s", warning)
	}
	p.warnOfVariables(file)
}

// warnOfVariables warns of the variables that change what the configuration says, and of those
// that a start would refuse.
func (p beginning) warnOfVariables(file string) {
	alone, err := config.Load(file, nil, nil)
	if err != nil {
		return // it was written a moment ago
	}
	for _, variable := range slices.Sorted(slices.Values(p.Env)) {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "BEARERD_") || name == "BEARERD_CONFIG" {
			continue
		}
		with, err := config.Load(file, []string{variable}, nil)
		switch {
		case err != nil:
			p.Say("warning: with a variable that is set here the server won't start:")
			p.Complain(plain(err))
		case !reflect.DeepEqual(with, alone):
			p.Say("warning: the variable %s is set here, and counts in place of what the file says", name)
		}
	}
}

// showNext prints what to do now.
func (p beginning) showNext(c config.Config, w *wishes) error {
	flag := "--config " + quoted(w.file)
	user := w.admin
	var steps []string
	if user == "" {
		user = "NAME"
		steps = append(steps, "Create an administrator:", "bearerd user create NAME --admin "+flag)
	}
	steps = append(steps, "Start the server:", "bearerd serve "+flag)
	if u, err := url.Parse(c.Issuer); err == nil && proxied(c) {
		steps = append(steps, "Let your proxy pass "+u.Host+" on to "+c.Listen+" (docs/deploy-nginx.md, deploy-caddy.md, deploy-traefik.md),", "and see whether it does:",
			"bearerd doctor "+flag)
	} else {
		steps = append(steps, "In another shell, see whether all is well:", "bearerd doctor "+flag)
	}
	steps = append(steps, "Sign in as "+user+", on this page:", c.Issuer+"/auth/",
		"Create a first token there, or here, and use it:",
		"TOKEN=$(bearerd token create "+quoted(user)+" --name first "+flag+")",
		"curl -i -H \"Authorization: Bearer $TOKEN\" "+c.Issuer+"/auth/verify")
	_, err := io.WriteString(p.Stdout, nextText(steps))
	return err
}

// quoted returns a text as a shell takes it for one word.
func quoted(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return r < utf8.RuneSelf && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("@%+=:,./_-", r)
	}) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// nextText sets commands and addresses apart from the text.
func nextText(steps []string) string {
	var out strings.Builder
	for _, s := range steps {
		if strings.HasSuffix(s, ":") || strings.HasSuffix(s, ",") {
			_, _ = fmt.Fprintf(&out, "%s\n", s)
		} else {
			_, _ = fmt.Fprintf(&out, "  %s\n", s)
		}
	}
	return out.String()
}
