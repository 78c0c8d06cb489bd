package interop_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pythonPackage is the directory of the Python package.
var pythonPackage = filepath.Join("..", "clients", "python")

// TestThePythonPackage runs the package's own tests, against a real server where they
// need one: the vectors, the log and its lease, and applications behind the proxy.
func TestThePythonPackage(t *testing.T) {
	t.Parallel()
	needFrameworks(t)
	tests, err := filepath.Glob(filepath.Join(pythonPackage, "tests", "test_*.py"))
	if err != nil || len(tests) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	for _, test := range tests {
		name := strings.TrimSuffix(filepath.Base(test), ".py")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inPackage(t, "-W", "ignore", "-m", "unittest", "tests."+name)
		})
	}
}

// TestThePythonPackageIsTyped holds what "Typing :: Typed" says.
func TestThePythonPackageIsTyped(t *testing.T) {
	t.Parallel()
	needFrameworks(t)
	inPackage(t, "-m", "mypy", "--strict", "--ignore-missing-imports", "--cache-dir", t.TempDir(), "src/bearerd")
}

// TestTheWheelHoldsThePackage builds the wheel as make does, and imports from it.
func TestTheWheelHoldsThePackage(t *testing.T) {
	t.Parallel()
	needFrameworks(t)
	tree := t.TempDir()
	if err := os.CopyFS(tree, os.DirFS(pythonPackage)); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), python, "-c", `import setuptools.build_meta as b; b.build_wheel(".")`)
	build.Dir = tree
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the wheel: %v\n%s", err, out)
	}
	wheels, err := filepath.Glob(filepath.Join(tree, "*.whl"))
	if err != nil || len(wheels) != 1 {
		t.Fatalf("wheels: %v, %v", wheels, err)
	}
	use := exec.CommandContext(t.Context(), python, "-c",
		"import bearerd, bearerd.django, bearerd.flask, bearerd.asgi, bearerd.wsgi, bearerd.sign_in, bearerd.verify; print(bearerd.__file__)")
	use.Dir = t.TempDir()
	use.Env = append(os.Environ(), "PYTHONPATH="+wheels[0])
	if out, err := use.CombinedOutput(); err != nil || !strings.Contains(string(out), ".whl") {
		t.Errorf("%v\n%s", err, out)
	}
}

// inPackage runs Python in the package's directory, with the server's binary in TEST_BINARY.
func inPackage(t *testing.T, arguments ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), python, arguments...)
	cmd.Dir = pythonPackage
	cmd.Env = append(os.Environ(), "PYTHONPATH=src", "PYTHONDONTWRITEBYTECODE=1", "TEST_BINARY="+binary)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", arguments, err, out)
	}
}

// needFrameworks skips where the frameworks are missing, but in CI that is a failure.
func needFrameworks(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), python, "-c",
		"import jwt, cryptography, django, rest_framework, flask, flask_login, setuptools, wheel, mypy").CombinedOutput()
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("Debian's python3-django, python3-djangorestframework, python3-flask, python3-flask-login, python3-jwt, python3-wheel and mypy are needed: %v\n%s", err, out)
	}
	t.Skipf("python3-django, python3-djangorestframework, python3-flask, python3-flask-login, python3-wheel or mypy is not installed: %v", err)
}
