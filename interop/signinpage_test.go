package interop_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/freeport"
)

// signInPage is docs/sign-in-header.md with its files in a directory in place of the root.
type signInPage struct {
	t           *testing.T
	root        string
	environment []string // of Apache, beside that of the test
}

// blocks returns what stands on a page in one language, by the comment in its first line;
// what has none is named by its number.
func blocks(t *testing.T, page, language string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../docs", page))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for i, m := range regexp.MustCompile("(?ms)^```"+language+"\n(?:# (\\S+)\n)?(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		name := m[1]
		if name == "" {
			name = fmt.Sprint(i)
		}
		found[name] = m[2]
	}
	return found
}

// swap replaces what stands in a text exactly once.
func swap(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if n := strings.Count(text, pairs[i]); n != 1 {
			t.Fatalf("%q stands %d times in\n%s", pairs[i], n, text)
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

func newSignInPage(t *testing.T) *signInPage {
	t.Helper()
	root, err := os.MkdirTemp("", "signin") //nolint:usetesting // the web servers' workers are other users, who can't enter t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	p := &signInPage{t: t, root: root}
	for _, dir := range []string{"", "etc", "etc/bearerd", "etc/apache2", "etc/nginx/conf.d", "etc/caddy", "run"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil { // the workers enter them
			t.Fatal(err)
		}
	}
	if err := os.Chmod(root, 0o755); err != nil { // likewise
		t.Fatal(err)
	}
	p.commands("printf", "")
	for _, file := range []string{"bearerd/sso.secret", "apache2/bearerd-proxy.conf", "nginx/bearerd-proxy.conf", "caddy/bearerd-proxy"} {
		info, err := os.Stat(filepath.Join(root, "etc", file))
		if err != nil || info.Size() < 60 || info.Mode().Perm() != 0o600 {
			t.Fatalf("%s: %+v, %v", file, info, err)
		}
	}
	return p
}

// in returns a text with its files in the directory.
func (p *signInPage) in(text string) string {
	return strings.ReplaceAll(text, "/etc/", filepath.Join(p.root, "etc")+"/")
}

// commands runs the shell's lines of the page in the blocks that have a word, but for those
// that need an installed system.
func (p *signInPage) commands(word, input string) {
	p.t.Helper()
	found := blocks(p.t, "sign-in-header.md", "sh")
	ran := 0
	for i := range len(found) {
		block := found[fmt.Sprint(i)]
		if !strings.Contains(block, word) {
			continue
		}
		block = regexp.MustCompile(`(?m)^(a2enmod|chown) .*\n`).ReplaceAllString(block, "")
		cmd := exec.CommandContext(p.t.Context(), "sh", "-e", "-c", strings.ReplaceAll(p.in(block), "htpasswd -c", "htpasswd -i -c"))
		cmd.Stdin = strings.NewReader(input)
		if out, err := cmd.CombinedOutput(); err != nil {
			p.t.Fatalf("%v\n%s%s", err, block, out)
		}
		ran++
	}
	if ran == 0 {
		p.t.Fatalf("no commands with %s on the page", word)
	}
}

// file writes a file beneath the directory's etc.
func (p *signInPage) file(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.root, "etc", name)
	write(p.t, path, text)
	return path
}

func (p *signInPage) secret() string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.root, "etc/bearerd/sso.secret"))
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

const (
	adasPassword = "correct horse"  // #nosec G101 -- of this test alone
	evesPassword = "battery staple" // #nosec G101 -- of this test alone
)

// passwordFile writes the file of names and passwords of Apache and nginx.
func (p *signInPage) passwordFile() string {
	p.t.Helper()
	if _, err := exec.LookPath("htpasswd"); err != nil {
		missing(p.t, "htpasswd (apache2-utils)")
	}
	p.commands("htpasswd", adasPassword)
	path := filepath.Join(p.root, "etc/apache2/museum.htpasswd")
	cmd := exec.CommandContext(p.t.Context(), "htpasswd", "-i", "-B", path, "eve")
	cmd.Stdin = strings.NewReader(evesPassword)
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("htpasswd: %v\n%s", err, out)
	}
	if err := os.Chmod(path, 0o644); err != nil { // in place of chown
		p.t.Fatal(err)
	}
	return path
}

// apacheModules returns the lines that load what the page enables, and more.
func (p *signInPage) apacheModules(more ...string) string {
	p.t.Helper()
	needProgram(p.t, "apache2")
	enabled := regexp.MustCompile(`(?m)^a2enmod (.*)$`).FindStringSubmatch(blocks(p.t, "sign-in-header.md", "sh")["2"])
	if enabled == nil {
		p.t.Fatal("the page enables no modules of Apache")
	}
	names := append([]string{"mpm_event", "authn_core", "authz_core", "proxy"}, strings.Fields(enabled[1])...)
	var lines strings.Builder
	for _, name := range append(names, more...) {
		path := "/usr/lib/apache2/modules/mod_" + name + ".so"
		if _, err := os.Stat(path); err != nil {
			missing(p.t, path)
		}
		symbol := name + "_module"
		if name == "shib" {
			symbol = "mod_shib"
		}
		fmt.Fprintf(&lines, "LoadModule %s %s\n", symbol, path)
	}
	return lines.String()
}

const apacheSite = `
ServerRoot %[1]s
ServerName localhost
Listen %[2]s
PidFile %[1]s/run/pid
ErrorLog %[1]s/run/error.log
LogLevel warn
Mutex file:%[1]s/run default
%[3]s
%[4]s
`

// What the page replaces for other ways to ask who somebody is.
const (
	apacheFromFile = "        AuthBasicProvider file\n        AuthUserFile /etc/apache2/museum.htpasswd\n"
	apacheAsking   = "        AuthType Basic\n        AuthName \"Museum\"\n" + apacheFromFile
)

// apacheConfig is the page's site in front of bearerd at an address.
func (p *signInPage) apacheConfig(bearerd string) string {
	p.t.Helper()
	site := blocks(p.t, "sign-in-header.md", "apache")["/etc/apache2/sites-available/museum.conf"]
	site = swap(p.t, site, "<VirtualHost *:443>", "<VirtualHost *:*>", "http://127.0.0.1:8080/", "http://"+bearerd+"/")
	return p.in(regexp.MustCompile(`(?m)^ *SSL.*\n`).ReplaceAllString(site, ""))
}

func (p *signInPage) apache(address, bearerd string) {
	p.t.Helper()
	modules := p.apacheModules()
	p.passwordFile()
	p.runApache(address, modules, p.apacheConfig(bearerd))
}

// runApache runs Apache with a site.
func (p *signInPage) runApache(address, modules, site string) {
	p.t.Helper()
	conf := p.file("apache2/apache2.conf", fmt.Sprintf(apacheSite, p.root, address, modules, site))
	p.t.Cleanup(func() {
		if text, err := os.ReadFile(filepath.Join(p.root, "run/error.log")); p.t.Failed() && err == nil {
			p.t.Logf("Apache's log:\n%s", text)
		}
	})
	start(p.t, address, "env", append(slices.Clone(p.environment), programOf(p.t, "apache2"), "-D", "FOREGROUND", "-f", conf)...)
}

const nginxFile = `daemon off; master_process off; pid %[1]s/run/nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/run/body; proxy_temp_path %[1]s/run/proxy; fastcgi_temp_path %[1]s/run/fastcgi;
  uwsgi_temp_path %[1]s/run/uwsgi; scgi_temp_path %[1]s/run/scgi;
  include conf.d/*.conf;
}
`

func (p *signInPage) nginx(address, bearerd string) {
	p.t.Helper()
	needProgram(p.t, "nginx")
	files := blocks(p.t, "deploy-nginx.md", "nginx")
	const upstream, locations = "server 127.0.0.1:8080;", "include bearerd-locations.conf;"
	site := "/etc/nginx/conf.d/application.conf"
	files[site] = swap(p.t, files[site], upstream, "server "+bearerd+";", "server 127.0.0.1:8000;", "server "+bearerd+";", "listen 80;", "listen "+address+";", locations, locations+"\ninclude bearerd-sign-in.conf;")
	delete(files, "/etc/nginx/conf.d/api.conf")
	delete(files, "/etc/nginx/conf.d/report-only.conf")
	signIn := blocks(p.t, "sign-in-header.md", "nginx")["/etc/nginx/bearerd-sign-in.conf"]
	files["/etc/nginx/bearerd-sign-in.conf"] = strings.ReplaceAll(signIn, "/etc/nginx/museum.htpasswd", p.passwordFile())
	files["/etc/nginx/nginx.conf"] = fmt.Sprintf(nginxFile, p.root)
	for name, text := range files {
		if inside, ok := strings.CutPrefix(name, "/etc/"); ok {
			p.file(inside, text)
		}
	}
	start(p.t, address, programOf(p.t, "nginx"), "-p", filepath.Join(p.root, "etc/nginx"), "-c", "nginx.conf", "-e", "stderr")
}

func (p *signInPage) caddy(address, bearerd string) {
	p.t.Helper()
	program, err := exec.LookPath("caddy")
	if err != nil {
		missing(p.t, "caddy")
	}
	var users strings.Builder
	for name, typed := range map[string]string{"ada": adasPassword, "eve": evesPassword} {
		// A cheaper hash than those of caddy hash-password, which take seconds.
		line, err := exec.CommandContext(p.t.Context(), "htpasswd", "-n", "-b", "-B", "-C", "4", name, typed).Output()
		if err != nil {
			missing(p.t, "htpasswd (apache2-utils)")
		}
		users.WriteString(strings.Replace(strings.TrimSpace(string(line)), ":", " ", 1) + "\n")
	}
	p.file("caddy/museum.users", users.String())
	_, port, _ := strings.Cut(address, ":")
	file := blocks(p.t, "deploy-caddy.md", "caddy")["/etc/caddy/Caddyfile"]
	signIn := p.in(blocks(p.t, "sign-in-header.md", "caddy")["/etc/caddy/sign-in"])
	file = swap(p.t, file,
		"\ncollections.example.org {\n", "\nhttp://:"+port+" {\nbind 127.0.0.1\n"+signIn,
		"\nmuseum.example.org {\n", "\nhttp://museum.example.org:"+port+" {\nbind 127.0.0.1\n"+signIn)
	file = "{\nadmin off\nauto_https off\n}\n" + strings.NewReplacer("127.0.0.1:8080", bearerd, "127.0.0.1:8000", bearerd).Replace(file)
	home := filepath.Join(p.root, "run")
	start(p.t, address, "env", "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home, program, "run", "--config", p.file("caddy/Caddyfile", file), "--adapter", "caddyfile")
}

// bearerd starts the server that the page configures, whose issuer is the web server, and
// returns its address.
func (p *signInPage) bearerd(issuer string, change ...string) string {
	p.t.Helper()
	address, ops := freeport.Address(p.t), freeport.Address(p.t)
	settings := swap(p.t, blocks(p.t, "sign-in-header.md", "yaml")["/etc/bearerd/bearerd.yaml"], change...)
	p.file("bearerd/bearerd.yaml", fmt.Sprintf("issuer: http://%s\nlisten: %s\nops_listen: %s\n", issuer, address, ops)+p.in(settings))
	ended := startServer(p.t, filepath.Join(p.root, "etc/bearerd"))
	awaitReady(p.t, "http://"+ops+"/readyz", ended)
	return address
}

// eachWebServer runs a test with each web server of the page.
func eachWebServer(t *testing.T, do func(t *testing.T, p *signInPage, start func(address, bearerd string))) {
	t.Helper()
	for name, run := range map[string]func(p *signInPage, address, bearerd string){
		"apache": (*signInPage).apache, "nginx": (*signInPage).nginx, "caddy": (*signInPage).caddy,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newSignInPage(t)
			do(t, p, func(address, bearerd string) { run(p, address, bearerd) })
		})
	}
}
