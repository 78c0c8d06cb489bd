package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/config"
)

// seed adds the text of every file that matches.
func seed(f *testing.F, patterns ...string) {
	f.Helper()
	for _, pattern := range patterns {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			f.Fatalf("%s: %d files, %v", pattern, len(paths), err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text))
		}
	}
}

func FuzzLoad(f *testing.F) {
	seed(f, "testdata/*.yaml", "testdata/rejected/*.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		path := write(t, text)
		got, err := config.Load(path, nil, nil)
		if err != nil {
			var problems config.ProblemsError
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Errorf("refused without a problem: %v", err)
			}
			return
		}
		if got.AccessToken.TTL > got.AccessToken.MaxTTL || got.Revocation.MaxStaleness <= 0 || got.Login.AccountFailures < 1 ||
			strings.HasSuffix(got.Issuer, "/") || got.DefaultAudience() == "" || got.Database.Reveal() == "" {
			t.Errorf("taken with %+v", got)
		}
		again, err := config.Load(path, []string{"BEARERD_ISSUER=" + got.Issuer, "BEARERD_API_TOKEN_PREFIX=" + got.APIToken.Prefix}, nil)
		if diff := cmp.Diff(got, again, same); err != nil || diff != "" {
			t.Errorf("variables with the same values make another configuration: %v\n%s", err, diff)
		}
	})
}

func FuzzVariables(f *testing.F) {
	f.Add("SCOPES", "{a: b}")
	f.Add("UPSTREAM_ROUTES", "[{path: /api}]")
	f.Add("TRUSTED_PROXIES", "10.0.0.0/8,::1")
	f.Add("ACCESS_TOKEN_TTL", "5m")
	f.Add("TASK_TOKENS", "&a [*a]")
	f.Fuzz(func(t *testing.T, name, value string) {
		_, err := config.Load("", []string{"BEARERD_" + name + "=" + value}, nil)
		if name == "CONFIG" || err == nil {
			return
		}
		if _, ok := errors.AsType[config.ProblemsError](err); !ok {
			t.Errorf("refused without a problem: %v", err)
		}
	})
}

func FuzzParseAccess(f *testing.F) {
	seed(f, "testdata/access.yaml", "testdata/access/*.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := config.ParseAccess("a.yaml", []byte(text))
		if err != nil {
			var problems config.ProblemsError
			if !errors.As(err, &problems) || len(problems) == 0 || problems[0].Message == "" {
				t.Errorf("refused without a problem: %v", err)
			}
			return
		}
		seen := map[string]bool{}
		for _, u := range got.Users {
			if u.Username == "" || seen[u.Username] || u.At.Line < 1 || u.Password.IsSet() && u.PasswordHash.IsSet() {
				t.Errorf("taken with the user %+v", u)
			}
			seen[u.Username] = true
		}
		for _, b := range got.Bindings {
			if (b.User == "") == (b.Group == "") || (b.Role == "") == (b.Permission == nil) || b.Path == "" || b.At.Line < 1 {
				t.Errorf("taken with the binding %+v", b)
			}
		}
	})
}
