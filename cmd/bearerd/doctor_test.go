package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/doctor"
	"github.com/bearerd/bearerd/internal/freeport"
	"github.com/bearerd/bearerd/internal/frontendtest"
)

// examined runs the doctor on a bench; the exit code says whether a check failed.
func (b *bench) examined(args ...string) doctor.Report {
	b.Helper()
	cmd := b.command(append([]string{"doctor", "--output", "json"}, args...)...)
	out, err := cmd.Output()
	var report struct {
		OK     bool
		Checks doctor.Report
	}
	if decodeErr := json.Unmarshal(out, &report); decodeErr != nil {
		b.Fatalf("%v, %v:\n%s", err, decodeErr, out)
	}
	if failed := report.Checks.Count(doctor.Failed); report.OK != (failed == 0) || (err == nil) != report.OK {
		b.Errorf("ok is %t with %d failed checks, and the command ended with %v", report.OK, failed, err)
	}
	return report.Checks
}

// sees checks the outcome of one check.
func (b *bench) sees(r doctor.Report, name string, state doctor.State, detail string) {
	b.Helper()
	for _, c := range r {
		if c.Name == name {
			if c.State != state || !strings.Contains(c.Detail, detail) {
				b.Errorf("%s is %s: %s; want %s: %s", name, c.State, c.Detail, state, detail)
			}
			return
		}
	}
	b.Errorf("there is no check %s in %v", name, r)
}

// TestTheDoctorSeesTheWayThroughNginx runs the nginx of the handbook in front of a server,
// and then that server without trusting it.
func TestTheDoctorSeesTheWayThroughNginx(t *testing.T) {
	t.Parallel()
	application := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(application.Close)
	front, behind, ops := freeport.Address(t), freeport.Address(t), freeport.Address(t)
	frontendtest.NginxAt(front)(t, "http://"+behind, application.URL)
	configuration := "issuer: http://" + front + "\nlisten: " + behind + "\nops_listen: " + ops + "\n"
	const everyDialect = "dialects: [specify, senaite, hypothesis, gen3]\n"
	b := newBench(t, t.TempDir(), configuration+"trusted_proxies: [127.0.0.1]\n"+everyDialect)
	begin := func() *process {
		p, err := start(b.command("serve"))
		if err != nil {
			t.Fatalf("%v\n%s", err, p.log)
		}
		t.Cleanup(func() { _ = p.stop() })
		return p
	}
	p := begin()
	r := b.examined()
	for _, name := range []string{
		"server", "issuer", "keys that clients see", "endpoints", "authorization header", "host header", "client's address",
		"dialect specify", "dialect senaite", "dialect hypothesis", "dialect gen3",
	} {
		b.sees(r, name, doctor.OK, "")
	}
	b.sees(r, "dialect gen3", doctor.OK, "paths reach bearerd")
	b.sees(r, "client's address", doctor.OK, "127.0.0.1, by the proxy at 127.0.0.1")
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	b.sees(b.examined(), "server", doctor.Warning, "none answers")

	b.write("bearerd.yaml", configuration)
	begin()
	b.sees(b.examined(), "client's address", doctor.Failed, "isn't one of trusted_proxies")

	// A dialect that the server doesn't have yet answers nowhere.
	b.write("bearerd.yaml", configuration+"dialects: [specify]\n")
	b.sees(b.examined(), "dialect specify", doctor.Failed, "/accounts/token/refresh")
	b.write("bearerd.yaml", configuration)

	// Another configuration than the server's is found out.
	b.write("bearerd.yaml", strings.Replace(configuration, front, "localhost:"+front[strings.LastIndexByte(front, ':')+1:], 1))
	b.sees(b.examined(), "issuer", doctor.Failed, "the server there is http://"+front)
	if out, err := exec.Command("bearerd", "keys", "master", b.dir+"/other.key").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b.write("bearerd.yaml", configuration)
	r = b.examined("--master-key-file", "./other.key")
	b.sees(r, "master key", doctor.Failed, "doesn't open signing key")
	b.sees(r, "proxy", doctor.Skipped, "without the master key")
}
