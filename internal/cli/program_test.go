package cli

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/hint"
)

// runsLike returns the exit code of a program with the commands that bearerd has too, and
// what it prints on standard error.
func runsLike(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	does := func(use string, flags ...string) *cobra.Command {
		cmd := &cobra.Command{Use: use, RunE: func(*cobra.Command, []string) error { return nil }}
		for _, name := range flags {
			cmd.Flags().String(name, "", "the `VALUE`")
		}
		return cmd
	}
	var stdout, stderr bytes.Buffer
	p := &Program{Stdout: &stdout, Stderr: &stderr}
	root := p.Root(&cobra.Command{Use: "bearerd"})
	inspect := does("inspect", "file")
	inspect.Args = Takes()
	create := does("create USER --name NAME", "name", "expires-in", "role", "permission", "action", "path")
	create.Flags().Int64("collection", 0, "")
	create.Flags().Bool("wait", true, "")
	Require(create, "name")
	RequireOne(create, "role", "permission")
	Together(create, "action", "path")
	tokens := Group("token", "", "", does("list USER|--all", "all"), does("revoke [ID…]"), inspect, create)
	root.AddCommand(tokens, does("serve", "listen"), does("revoke-all USER"), does("doctor"), does("api PATH"), Group("user", "", "", does("list"), does("delete USER")))
	return p.Run(t.Context(), root, args), stderr.String()
}

func TestTheWordsOfOtherProgramsAreAnsweredWithOurs(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"tokens":                            `did you mean "bearerd token"?`,
		"tokens ls --all":                   `did you mean "bearerd token list"?`,
		"users rm ada":                      `did you mean "bearerd user delete"?`,
		"token rm x":                        `did you mean "bearerd token revoke"?`,
		"revoke x":                          `did you mean "bearerd token revoke"?`,
		"status":                            `did you mean "bearerd doctor"?`,
		"whoami":                            `did you mean "bearerd api /auth/api/v1/me"?`,
		"run":                               `did you mean "bearerd serve"?`,
		"help token lst":                    `did you mean "bearerd token list"?`,
		"help frobnicate":                   `hint: see bearerd --help`,
		"completion bsh":                    `did you mean "bearerd completion bash"?`,
		"token list ada --json":             `did you mean --output json?`,
		"token list --user ada":             `USER is an argument, as in "bearerd token list USER|--all"`,
		"token create ada --ttl 7d":         `did you mean --expires-in?`,
		"serve -p 80":                       `did you mean --listen?`,
		"token create ada":                  `--name VALUE is missing`,
		"token create ada --name= ":         `--name VALUE is missing`,
		"token create ada --collection abc": `--collection: "abc" is not a number`,
		"token create ada --collection 99999999999999999999": `--collection: "99999999999999999999" is not a number of that size`,
		"token create ada --wait=yes":                        `--wait: "yes" is not true or false`,
		"token create ada --name x":                          `--role or --permission is missing`,
		"token create ada --name x --role r --permission p":  `--role and --permission exclude each other`,
		"token create ada --name x --role r --action a":      `--path is missing: --action needs it`,
	} {
		code, said := runsLike(t, strings.Fields(args)...)
		if code != 1 || !strings.Contains(said, want) || strings.Count(said, "hint: ") != 1 {
			t.Errorf("%s: exit code %d, and %q; want %q", args, code, said, want)
		}
	}
	for _, args := range []string{"help", "help token list", "help token", "completion", "token", "token list ada --all x"} {
		if code, said := runsLike(t, strings.Fields(args)...); code != 0 || said != "" {
			t.Errorf("%s: exit code %d, and %q", args, code, said)
		}
	}
}

func TestATokenInThePlaceOfAnArgumentIsNotRepeated(t *testing.T) {
	t.Parallel()
	const secret = "bda_ROchLPQIcKyk7kPv9uImBpQbTMMVOf2wLxNM"
	for _, args := range []string{secret, "token " + secret, "token inspect " + secret, "token inspect --file " + secret + " x"} {
		if code, said := runsLike(t, strings.Fields(args)...); code != 1 || strings.Contains(said, secret) {
			t.Errorf("%s: exit code %d, and %q", args, code, said)
		}
	}
	if _, said := runsLike(t, "token", "inspect", secret); !strings.Contains(said, "a token's value can't be an argument") || !strings.Contains(said, "revoke") {
		t.Errorf("it says %q", said)
	}
}

// runs returns the exit code of a program with one command, which ends with err, and what
// it prints on standard error.
func runs(t *testing.T, err error, args ...string) (code int, said string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &Program{Stdout: &stdout, Stderr: &stderr}
	root := p.Root(&cobra.Command{Use: "bearerd"})
	root.AddCommand(&cobra.Command{Use: "apply THING", Args: Takes("THING"), RunE: func(*cobra.Command, []string) error { return err }})
	return p.Run(t.Context(), root, args), stderr.String()
}

func TestTheExitCodeSaysHowACommandEnded(t *testing.T) {
	t.Parallel()
	failure := errors.Join(hint.Add(errors.New("no disk"), "buy one"), errors.New("no time"))
	for name, c := range map[string]struct {
		err  error
		code int
		said string
	}{
		"done":    {nil, 0, ""},
		"refused": {fmt.Errorf("judging: %w", ErrRefused), ExitRefused, ""},
		"failed":  {failure, 1, "bearerd: no disk\nbearerd: hint: buy one\nbearerd: no time\n"},
	} {
		if code, said := runs(t, c.err, "apply", "it"); code != c.code || said != c.said {
			t.Errorf("%s: exit code %d, and %q", name, code, said)
		}
	}
}

func TestAnErrorAboutAFieldNamesItsFlag(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]struct {
		err  error
		args []string
	}{
		"bearerd: --redirect-uri: no URL\n":             {fault.New(fault.Invalid, "no URL").In("redirect_uris"), []string{"--redirect-uri", "x"}},
		"bearerd: --until: too early\n":                 {fault.New(fault.Invalid, "too early").In("until"), []string{"--until", "x"}},
		"bearerd: too late\n":                           {fault.New(fault.Invalid, "too late").In("until"), nil},
		"bearerd: --since and none\n":                   {fault.New(fault.Invalid, "--since and none").In("until"), []string{"--until", "x"}},
		"bearerd: wrapped: bad\n":                       {fmt.Errorf("wrapped: %w", fault.New(fault.Invalid, "bad").In("name")), []string{"--until", "x"}},
		"bearerd: --until: one\nbearerd: another one\n": {errors.Join(fault.New(fault.Invalid, "one").In("until"), errors.New("another one")), []string{"--until", "x"}},
	} {
		var stdout, stderr bytes.Buffer
		p := &Program{Stdout: &stdout, Stderr: &stderr}
		root := p.Root(&cobra.Command{Use: "bearerd"})
		cmd := &cobra.Command{Use: "show", RunE: func(*cobra.Command, []string) error { return c.err }}
		cmd.Flags().String("until", "", "")
		cmd.Flags().String("redirect-uri", "", "")
		root.AddCommand(cmd)
		p.Run(t.Context(), root, append([]string{"show"}, c.args...))
		if stderr.String() != want {
			t.Errorf("%q, want %q", stderr.String(), want)
		}
	}
}

// What is an argument too many may be a password that was typed in the wrong place.
func TestASurplusArgumentIsNotRepeated(t *testing.T) {
	t.Parallel()
	if code, said := runs(t, nil, "apply", "it", "horse"); code != 1 || strings.Contains(said, "horse") || !strings.Contains(said, "too many arguments after THING") {
		t.Errorf("exit code %d, and %q", code, said)
	}
}

func TestAMistypedNameIsAnsweredWithTheOneThatWasMeant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, want string }{
		{"aply it", `did you mean "bearerd apply"?`},
		{"apply it --outptu json", "did you mean --output?"},
	} {
		if code, said := runs(t, nil, strings.Fields(c.args)...); code != 1 || !strings.Contains(said, c.want) {
			t.Errorf("%s: exit code %d, and %q", c.args, code, said)
		}
	}
}
