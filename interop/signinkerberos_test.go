package interop_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/freeport"
)

const realmFile = `
[libdefaults]
  default_realm = EXAMPLE.ORG
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[domain_realm]
  localhost = EXAMPLE.ORG
[realms]
  EXAMPLE.ORG = {
    kdc = %[2]s
    kdc_listen = %[2]s
    kdc_tcp_listen = %[2]s
    key_stash_file = %[1]s/stash
    database_name = %[1]s/principals
  }
`

// realm is a Kerberos realm with ada and the web server of this machine.
type realm struct {
	t   *testing.T
	dir string
}

// command returns a program that lives in the realm.
func (k *realm) command(program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(k.t.Context(), programOf(k.t, program), args...)
	cmd.Env = append(os.Environ(), k.environment()...)
	return cmd
}

func (k *realm) environment() []string {
	return []string{
		"KRB5_CONFIG=" + k.dir + "/krb5.conf", "KRB5_KDC_PROFILE=" + k.dir + "/krb5.conf",
		"KRB5CCNAME=FILE:" + k.dir + "/tickets", "KRB5RCACHENAME=none:",
	}
}

// run runs a program of the realm, and returns what it says.
func (k *realm) run(input, program string, args ...string) string {
	k.t.Helper()
	cmd := k.command(program, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		k.t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// newRealm runs a realm whose files are in a directory; the web server's key is in a file.
func newRealm(t *testing.T, dir, keytab string) *realm {
	t.Helper()
	for _, program := range []string{"krb5kdc", "kadmin.local", "kdb5_util", "kinit", "curl"} {
		if _, err := exec.LookPath(programOf(t, program)); err != nil {
			missing(t, program)
		}
	}
	k, address := &realm{t, dir}, freeport.Address(t)
	write(t, filepath.Join(dir, "krb5.conf"), fmt.Sprintf(realmFile, dir, address))
	k.run("", "kdb5_util", "create", "-s", "-P", "of this test alone")
	k.run("", "kadmin.local", "addprinc", "-pw", adasPassword, "ada")
	k.run("", "kadmin.local", "addprinc", "-randkey", "HTTP/localhost")
	k.run("", "kadmin.local", "ktadd", "-k", keytab, "HTTP/localhost")
	for _, file := range []string{keytab, filepath.Join(dir, "krb5.conf")} {
		if err := os.Chmod(file, 0o644); err != nil { // Apache's workers are another user
			t.Fatal(err)
		}
	}
	serveTCP(t, address, k.command("krb5kdc", "-n", "-P", filepath.Join(dir, "kdc.pid")))
	return k
}

// TestPeopleOfARealmSignIn: with the page's lines for Kerberos a ticket signs in, by the name
// of its principal, and nothing else does.
func TestPeopleOfARealmSignIn(t *testing.T) {
	t.Parallel()
	p := newSignInPage(t)
	modules := p.apacheModules("auth_gssapi")
	k := newRealm(t, filepath.Join(p.root, "run"), filepath.Join(p.root, "etc/apache2/http.keytab"))
	address := freeport.Address(t)
	bearerd := p.bearerd(address, "unknown: refuse", "unknown: create")
	lines := swap(t, p.in(blocks(t, "sign-in-header.md", "apache")["kerberos"]), "GssapiSSLonly On\n", "") // there is no TLS here
	p.environment = k.environment()
	p.runApache(address, modules, swap(t, p.apacheConfig(bearerd), p.in(apacheAsking), lines))
	_, port, _ := strings.Cut(address, ":")
	page := "http://localhost:" + port + "/auth/sign-in/sso"
	visit := func(more ...string) (cookie, said string) {
		said = k.run("", "curl", append([]string{"-sS", "-i", "--negotiate", "-u", ":", page}, more...)...)
		_, cookie, _ = strings.Cut(said, "bearerd_session=")
		cookie, _, _ = strings.Cut(cookie, ";")
		return cookie, said
	}
	if cookie, said := visit("-H", "Remote-User: ada@EXAMPLE.ORG"); cookie != "" || !strings.Contains(said, " 401 ") || !strings.Contains(said, "Negotiate") {
		t.Errorf("without a ticket: %s", said)
	}
	k.run(adasPassword+"\n", "kinit", "ada")
	cookie, said := visit("-H", "Remote-User: eve@EXAMPLE.ORG")
	if cookie == "" {
		t.Fatalf("with a ticket: %s", said)
	}
	if who := whose(t, bearerd, "Cookie", "bearerd_session="+cookie); who != "ada@EXAMPLE.ORG" {
		t.Errorf("ada is %q", who)
	}
}
