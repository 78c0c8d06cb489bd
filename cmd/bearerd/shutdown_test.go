package main

import (
	"net/http"
	"syscall"
	"testing"
	"time"
)

// stopping starts a server with one more variable, sends it SIGTERM, and returns for how long
// it went on serving while /readyz said that it stops.
func stopping(t *testing.T, configuration, variable string) time.Duration {
	t.Helper()
	b := newBench(t, t.TempDir(), configuration)
	cmd := b.command("serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
	cmd.Env = append(cmd.Environ(), variable)
	p, err := start(cmd)
	if err != nil {
		t.Fatalf("%v\n%s", err, p.log)
	}
	token := b.token(p)
	began := time.Now()
	must(t, p.cmd.Process.Signal(syscall.SIGTERM))
	served := time.Duration(0)
	for {
		ready, err := b.client.Get(p.ops + "/readyz")
		if err != nil {
			break // it is gone
		}
		must(t, ready.Body.Close())
		answer, err := b.verify(p, token)
		if ready.StatusCode != http.StatusServiceUnavailable || err != nil {
			time.Sleep(time.Millisecond)
			continue // the signal is on its way, or the listeners close
		}
		if answer.status != http.StatusOK {
			t.Errorf("while it stops a request is %d", answer.status)
		}
		served = time.Since(began)
		time.Sleep(10 * time.Millisecond)
	}
	<-p.done
	if p.err != nil {
		t.Errorf("it ended with %v", p.err)
	}
	return served
}

func TestASettledNoticeIsKept(t *testing.T) {
	t.Parallel()
	if took := stopping(t, "shutdown: {notice: 1s}\n", "HOME=/"); took < 900*time.Millisecond {
		t.Errorf("it served for %s", took)
	}
}

func TestInKubernetesNoticeIsGivenByDefault(t *testing.T) {
	t.Parallel()
	if took := stopping(t, "", "KUBERNETES_SERVICE_HOST=10.0.0.1"); took < 4*time.Second {
		t.Errorf("it served for %s", took)
	}
}

func TestElsewhereAServerStopsAtOnce(t *testing.T) {
	t.Parallel()
	if took := stopping(t, "", "HOME=/"); took > 4*time.Second {
		t.Errorf("it served for %s", took)
	}
}

func TestASecondSignalEndsAServerAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, t.TempDir(), "shutdown: {notice: 30s}\n")
	p, err := start(b.command("serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"))
	if err != nil {
		t.Fatalf("%v\n%s", err, p.log)
	}
	began := time.Now()
	must(t, p.cmd.Process.Signal(syscall.SIGTERM))
	for readiness := 0; readiness != http.StatusServiceUnavailable; time.Sleep(time.Millisecond) {
		ready, err := b.client.Get(p.ops + "/readyz")
		must(t, err)
		must(t, ready.Body.Close())
		readiness = ready.StatusCode
	}
	must(t, p.cmd.Process.Signal(syscall.SIGTERM))
	<-p.done
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}
