package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// newImage returns an image of both processors, as an archive and unpacked. The other
// processor's has this one's binary: it isn't run.
func newImage(t *testing.T) (archive, dir string) {
	t.Helper()
	r := newRelease(t, "v1.2.3")
	r.binaries = map[platform]string{}
	for _, arch := range []string{"amd64", "arm64"} {
		r.binaries[platform{"linux", arch}] = firstRelease(t).binaries[host()]
	}
	r.platforms = []platform{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "arm64"}}
	for _, d := range []string{r.out, r.work} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.image(t.Context()); err != nil {
		t.Fatal(err)
	}
	archive, dir = r.find(t, "*_image.tar"), t.TempDir()
	output(t, "tar", "xf", archive, "-C", dir)
	return archive, dir
}

// The image is one for both processors, under its version.
func TestTheImageIsForBothProcessors(t *testing.T) {
	t.Parallel()
	_, dir := newImage(t)
	top, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := top.IndexManifest()
	if err != nil || len(m.Manifests) != 1 || m.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != "1.2.3" {
		t.Fatalf("%+v, %v", m, err)
	}
	index, err := top.ImageIndex(m.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, d := range inner.Manifests {
		platforms = append(platforms, d.Platform.OS+"/"+d.Platform.Architecture)
	}
	if got := strings.Join(platforms, " "); got != "linux/amd64 linux/arm64" {
		t.Errorf("it is for %s", got)
	}
}

// Docker engines that know no OCI layout find an image for each processor.
func TestOlderEnginesReadTheImageToo(t *testing.T) {
	t.Parallel()
	archive, _ := newImage(t)
	manifest, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(archive) })
	if err != nil || len(manifest) != 2 {
		t.Fatalf("%v, %v", manifest, err)
	}
	for i, arch := range []string{"amd64", "arm64"} {
		if tag := manifest[i].RepoTags[0]; tag != "bearerd:1.2.3-"+arch {
			t.Errorf("it is called %s", tag)
		}
		for _, blob := range append(manifest[i].Layers, manifest[i].Config) {
			if out := output(t, "tar", "tf", archive, blob); out == "" {
				t.Errorf("there is no %s", blob)
			}
		}
	}
}

// imageOf returns the image for this processor.
func imageOf(t *testing.T, dir string) (v1.Image, *v1.ConfigFile) {
	t.Helper()
	top, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := top.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	index, err := top.ImageIndex(m.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range inner.Manifests {
		if d.Platform.Architecture != host().arch {
			continue
		}
		img, err := index.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		return img, config
	}
	t.Fatalf("there is no image for %s", host().arch)
	return nil, nil
}

// What is in the image is bearerd, and nothing that could be run beside it.
func TestTheImageHoldsBearerdAlone(t *testing.T) {
	t.Parallel()
	_, dir := newImage(t)
	img, config := imageOf(t, dir)
	if c := config.Config; c.User != "65532:65532" || strings.Join(append(c.Entrypoint, c.Cmd...), " ") != "/bearerd serve" || c.WorkingDir != stateDir || c.StopSignal != "SIGTERM" {
		t.Errorf("it runs %+v", c)
	}
	unpacked := mutate.Extract(img)
	defer func() { _ = unpacked.Close() }()
	programs := 0
	for archive := tar.NewReader(unpacked); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch name := strings.Trim(h.Name, "/"); {
		case name == "var/lib/bearerd":
			if h.Mode&0o777 != 0o700 || h.Uid != imageUser || h.Gid != imageUser {
				t.Errorf("the state directory is %+v", h)
			}
		case name == "tmp":
			if h.Mode&0o1777 != 0o1777 {
				t.Errorf("/tmp has the mode %o", h.Mode)
			}
		case h.Typeflag == tar.TypeReg && h.Mode&0o111 != 0:
			programs++
			if name != "bearerd" || h.Uid != 0 || h.Mode != 0o755 {
				t.Errorf("it holds %s, %o of %d", name, h.Mode, h.Uid)
			}
		case h.Mode&0o022 != 0 || h.Uid != 0:
			t.Errorf("%s is %o of %d", name, h.Mode, h.Uid)
		}
	}
	if programs != 1 {
		t.Errorf("it holds %d programs", programs)
	}
}

// The image is unpacked and run as an engine runs it: with its root alone, its user, its
// environment and its command.
func TestTheImageRunsWithoutASystem(t *testing.T) {
	t.Parallel()
	needRoot(t)
	_, dir := newImage(t)
	img, config := imageOf(t, dir)
	root := t.TempDir()
	unpacked := mutate.Extract(img)
	tarball := exec.CommandContext(t.Context(), "tar", "xp", "-C", root)
	tarball.Stdin = unpacked
	if out, err := tarball.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	in := func(args ...string) *exec.Cmd {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = config.Config.WorkingDir
		cmd.Env = append([]string{}, config.Config.Env...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: imageUser, Gid: imageUser}}
		return cmd
	}
	if err := os.WriteFile(filepath.Join(root, "tmp", "access.yaml"), []byte(clientAccess), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := in("/bearerd", "apply", "-f", "/tmp/access.yaml").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := in(append(append([]string{}, config.Config.Entrypoint...), config.Config.Cmd...)...)
	cmd.Args = append(cmd.Args, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0") // its own ports may be taken here
	s := serve(t, cmd)
	if got := s.status(s.ops+"/readyz", ""); got != 200 {
		t.Errorf("/readyz is %d", got)
	}
	token := s.token()
	if good, bad := s.status(s.base+"/auth/verify", token), s.status(s.base+"/auth/verify", "x"); good != 200 || bad != 401 {
		t.Errorf("a token is %d, and a wrong one %d", good, bad)
	}
	s.stop()
	for _, name := range []string{"bearerd.db", "master.key"} {
		info, err := os.Stat(filepath.Join(root, stateDir, name))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// The environment of the image is one that bearerd takes, and listens by outside of it.
func TestTheImageListensForOthers(t *testing.T) {
	t.Parallel()
	_, dir := newImage(t)
	_, config := imageOf(t, dir)
	cmd := exec.CommandContext(t.Context(), firstRelease(t).binaries[host()], "config", "check", "--output", "json")
	cmd.Dir, cmd.Env = t.TempDir(), config.Config.Env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	text, err := json.Marshal(config.Config)
	if err != nil || !strings.Contains(string(text), `"BEARERD_LISTEN=:8080"`) || !strings.Contains(string(text), `"8080/tcp"`) {
		t.Errorf("it is %s, %v", text, err)
	}
}

func TestTheRootsAreCertificates(t *testing.T) {
	t.Parallel()
	text := roots()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) || bytes.Count(text, []byte("BEGIN CERTIFICATE")) < 100 {
		t.Errorf("%d certificates", bytes.Count(text, []byte("BEGIN CERTIFICATE")))
	}
}
