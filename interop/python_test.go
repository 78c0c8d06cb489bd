package interop_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// python is Debian's, which sees the libraries that Debian packages.
const python = "/usr/bin/python3"

// TestPythonClients runs every script of testdata against a server of its own. A
// script ends with 0 when all that it says is true.
func TestPythonClients(t *testing.T) {
	t.Parallel()
	needPython(t)
	scripts, err := filepath.Glob("testdata/*.py")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".py"), func(t *testing.T) {
			t.Parallel()
			url := ""
			if filepath.Base(script) == "gen3.py" {
				url = serveDialects(t, "EdDSA", "specify, senaite, hypothesis, gen3")
			} else {
				url = serve(t, "EdDSA")
			}
			run(t, script, url, "EdDSA")
		})
	}
}

// TestPyJWTVerifiesEveryAlgorithm runs the JOSE scripts for the other algorithms.
func TestPythonVerifiesEveryAlgorithm(t *testing.T) {
	t.Parallel()
	needPython(t)
	for _, algorithm := range algorithms[1:] {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			url := serve(t, algorithm)
			run(t, "testdata/pyjwt.py", url, algorithm)
			run(t, "testdata/authlib_jose.py", url, algorithm)
		})
	}
}

func run(t *testing.T, script, url, algorithm string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), python, script)
	cmd.Env = append(os.Environ(), "BEARERD="+url, "ALGORITHM="+algorithm, "USERNAME="+username, "PASSWORD="+password,
		"CLIENT_ID="+clientID, "CLIENT_SECRET="+clientSecret, "PYTHONDONTWRITEBYTECODE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", script, err, out)
	}
}

// needPython skips where Python or a library is missing, but in CI that is a failure.
func needPython(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), python, "-c", "import jwt, authlib, requests").CombinedOutput()
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("python3-jwt, python3-authlib and python3-requests are needed: %v\n%s", err, out)
	}
	t.Skipf("python3-jwt, python3-authlib and python3-requests are not installed: %v", err)
}
