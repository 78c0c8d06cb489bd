package interop_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/freeport"
)

const slapdFile = `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile %[1]s/slapd.pid
database mdb
maxsize 10485760
suffix "dc=example,dc=org"
directory %[1]s/data
`

const directoryFile = `
dn: dc=example,dc=org
objectClass: domain
dc: example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: uid=ada,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: ada
cn:: QWRhIEzDuHZlbGFjZQ==
sn: Lovelace
mail: ada@example.org
userPassword: correct horse

dn: uid=eve,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: eve
cn: Eve
sn: Eve
userPassword: battery staple
`

// ldapServer runs a directory with ada and eve, and returns its address.
func ldapServer(t *testing.T) string {
	t.Helper()
	program := programOf(t, "slapd")
	if _, err := os.Stat(program); err != nil {
		missing(t, "slapd")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	conf, people := filepath.Join(dir, "slapd.conf"), filepath.Join(dir, "people.ldif")
	write(t, conf, fmt.Sprintf(slapdFile, dir))
	write(t, people, directoryFile)
	add := exec.CommandContext(t.Context(), program, "-T", "add", "-f", conf, "-l", people)
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v\n%s", err, out)
	}
	address := freeport.Address(t)
	serveTCP(t, address, exec.CommandContext(t.Context(), program, "-d", "0", "-f", conf, "-h", "ldap://"+address))
	return address
}

// serveTCP runs a server until the test ends, and waits until it takes connections.
func serveTCP(t *testing.T, address string, server *exec.Cmd) {
	t.Helper()
	server.Stdout, server.Stderr = t.Output(), t.Output()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = server.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = server.Process.Kill()
		<-ended
	})
	for range 400 {
		if conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", address); err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatal("the server ended before it took connections")
		case <-time.After(25 * time.Millisecond):
		}
	}
	t.Fatal("the server took no connections in time")
}

// TestPeopleOfADirectorySignIn: with the page's lines for LDAP somebody is one person here,
// however they type their name, and has their name and mail address.
func TestPeopleOfADirectorySignIn(t *testing.T) {
	t.Parallel()
	p := newSignInPage(t)
	modules, directory := p.apacheModules("ldap", "authnz_ldap"), ldapServer(t)
	lines := swap(t, blocks(t, "sign-in-header.md", "apache")["ldap"], "ldaps://ldap.example.org", "ldap://"+directory)
	address := freeport.Address(t)
	bearerd := p.bearerd(address, "unknown: refuse", "unknown: create")
	p.runApache(address, modules, swap(t, p.apacheConfig(bearerd), p.in(apacheFromFile), lines))
	for _, typed := range []string{"ada", "ADA", "Ada", " ada", "ada  "} {
		resp, body := raw(t, loopback, address, "/auth/sign-in/sso", basic(typed, adasPassword)...)
		if who := signedInAs(t, bearerd, resp); who != "ada" {
			t.Errorf("%q is %q: %d %s", typed, who, resp.StatusCode, body)
		}
	}
	for name, password := range map[string][]string{
		"a wrong password": basic("ada", "wrong"), "no password": basic("ada", ""), "another's": basic("ada", evesPassword),
		"a line more": basic("ada\r\nRemote-User", adasPassword), "a filter": basic("*", adasPassword), "two filters": basic("ada)(uid=*", adasPassword),
	} {
		if resp, _ := raw(t, loopback, address, "/auth/sign-in/sso", password...); resp.StatusCode != http.StatusUnauthorized || len(resp.Cookies()) != 0 {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
	resp, _ := raw(t, loopback, address, "/auth/sign-in/sso", basic("ada", adasPassword)...)
	for _, c := range resp.Cookies() {
		if _, me := raw(t, loopback, bearerd, "/auth/api/v1/me", "Cookie", c.Name+"="+c.Value); !strings.Contains(me, "Ada Løvelace") || !strings.Contains(me, "ada@example.org") {
			t.Errorf("of ada is known: %s", me)
		}
	}
	// Eve's entry has no mail address.
	resp, body := raw(t, loopback, address, "/auth/sign-in/sso", basic("eve", evesPassword)...)
	if who := signedInAs(t, bearerd, resp); who != "eve" {
		t.Errorf("eve is %q: %d %s", who, resp.StatusCode, body)
	}
}
