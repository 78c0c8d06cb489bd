package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/server"
)

// writeCertificate makes a certificate of that name, with its key, in both files.
func writeCertificate(t *testing.T, files server.TLS, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, files.CertFile, "CERTIFICATE", der)
	writePEM(t, files.KeyFile, "PRIVATE KEY", private)
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// shown returns the name in the certificate that a handshake shows.
func shown(t *testing.T, address string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestCertificateIsReadAnewWhenItsFilesChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := server.TLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	writeCertificate(t, files, "first")
	r := run(t, server.Config{TLS: files, Edges: []server.Edge{edge{"GET /x": says("x")}}})
	r.HTTP.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	if a := r.Get(t, "/x"); a.Body != "x" {
		t.Errorf("over TLS: %d %s", a.Status, a.Body)
	}
	address := r.Addr().String()
	if got := shown(t, address); got != "first" {
		t.Errorf("shows %q", got)
	}

	writeCertificate(t, files, "second, of another length")
	r.fixture.Advance(2 * time.Second)
	if got := shown(t, address); got != "second, of another length" {
		t.Errorf("after a change it shows %q", got)
	}

	if err := os.WriteFile(files.CertFile, []byte("half a fi"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.fixture.Advance(2 * time.Second)
	if got := shown(t, address); got != "second, of another length" {
		t.Errorf("with a broken file it shows %q", got)
	}
	if !strings.Contains(r.log.String(), "keeping the certificate as it was") {
		t.Error("the log does not name the broken file")
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := server.TLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	writeCertificate(t, files, "x")
	r := run(t, server.Config{TLS: files})
	conn, err := tls.Dial("tcp", r.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11})
	if err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 was accepted")
	}
}

// Reload reads the certificate although no time has passed by which a handshake would look
// for a new one, and says what is wrong with one that it doesn't take.
func TestReloadReadsTheCertificateNow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := server.TLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	writeCertificate(t, files, "one.example.org")
	r := run(t, server.Config{TLS: files})
	address := r.Addr().String()
	if name := shown(t, address); name != "one.example.org" {
		t.Fatalf("it shows %s", name)
	}
	writeCertificate(t, files, "two.example.org")
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	if name := shown(t, address); name != "two.example.org" {
		t.Errorf("after the reload it shows %s", name)
	}
	if err := os.WriteFile(files.CertFile, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(); err == nil {
		t.Error("a broken file is taken")
	}
	if name := shown(t, address); name != "two.example.org" {
		t.Errorf("with a broken file it shows %s", name)
	}
}

func TestReloadWithoutTLSDoesNothing(t *testing.T) {
	t.Parallel()
	if err := run(t, server.Config{}).Reload(); err != nil {
		t.Error(err)
	}
}
