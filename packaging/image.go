package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	imageName = "bearerd"
	// imageUser is who the image runs as: a number, since an orchestrator that must know
	// that it isn't root reads no /etc/passwd.
	imageUser = 65532
	stateDir  = "/var/lib/bearerd"
)

// image makes one OCI image for all platforms of Linux, as an archive that registries and
// `docker load` take: an OCI layout, with the manifest that older Docker engines read.
func (r *release) image(context.Context) error {
	base, err := r.baseLayer()
	if err != nil {
		return err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	var old []oldManifest
	for _, p := range r.platforms {
		if p.os != "linux" {
			continue
		}
		img, err := r.platformImage(p, base)
		if err != nil {
			return fmt.Errorf("making the image for %s: %w", p.arch, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.os, Architecture: p.arch}},
		})
		m, err := r.oldManifest(p, img)
		if err != nil {
			return err
		}
		old = append(old, m)
	}
	if len(old) == 0 {
		return nil
	}
	dir := filepath.Join(r.work, "image")
	l, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("writing the image: %w", err)
	}
	if err := l.AppendIndex(index, layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": r.version.plain(),
		"io.containerd.image.name":          "docker.io/library/" + imageName + ":" + r.version.plain(),
	})); err != nil {
		return fmt.Errorf("writing the image: %w", err)
	}
	return r.packImage(dir, old)
}

// oldManifest is the manifest for Docker engines that can't read an OCI layout.
type oldManifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func (r *release) oldManifest(p platform, img v1.Image) (m oldManifest, err error) {
	blob := func(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }
	config, err := img.ConfigName()
	if err != nil {
		return m, err
	}
	m.Config, m.RepoTags = blob(config), []string{imageName + ":" + r.version.plain() + "-" + p.arch}
	layers, err := img.Layers()
	if err != nil {
		return m, err
	}
	for _, l := range layers {
		digest, err := l.Digest()
		if err != nil {
			return m, err
		}
		m.Layers = append(m.Layers, blob(digest))
	}
	return m, nil
}

// packImage writes a layout as one file.
func (r *release) packImage(dir string, old []oldManifest) error {
	text, err := json.Marshal(old)
	if err != nil {
		return err
	}
	list := []file{{name: "manifest.json", text: text}}
	layoutFS := os.DirFS(dir)
	for _, pattern := range []string{"oci-layout", "index.json", "blobs/sha256/*"} {
		names, err := fs.Glob(layoutFS, pattern)
		if err != nil {
			return err
		}
		for _, name := range names {
			text, err := fs.ReadFile(layoutFS, name)
			if err != nil {
				return err
			}
			list = append(list, file{name: name, text: text})
		}
	}
	name := "bearerd_" + r.version.plain() + "_image.tar"
	var out bytes.Buffer
	if err := writeTar(&out, list, r.epoch); err != nil {
		return err
	}
	r.say("wrote %s", name)
	return os.WriteFile(filepath.Join(r.out, name), out.Bytes(), 0o644) //nolint:gosec // everybody may read a release
}

// platformImage creates the image of one platform: the base layer, and the program.
func (r *release) platformImage(p platform, base v1.Layer) (v1.Image, error) {
	binary, err := os.ReadFile(r.binaries[p])
	if err != nil {
		return nil, err
	}
	program, err := r.layer([]file{{name: "bearerd", text: binary, mode: 0o755}})
	if err != nil {
		return nil, err
	}
	at := v1.Time{Time: r.epoch.UTC()}
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: p.os, Architecture: p.arch, Created: at, Config: r.imageConfig(), RootFS: v1.RootFS{Type: "layers"}})
	if err != nil {
		return nil, err
	}
	return mutate.Append(img,
		mutate.Addendum{Layer: base, MediaType: types.OCILayer, History: v1.History{Created: at, CreatedBy: "certificates, a user, a state directory"}},
		mutate.Addendum{Layer: program, MediaType: types.OCILayer, History: v1.History{Created: at, CreatedBy: "bearerd " + string(r.version)}})
}

func (r *release) imageConfig() v1.Config {
	return v1.Config{
		User: strconv.Itoa(imageUser) + ":" + strconv.Itoa(imageUser), WorkingDir: stateDir,
		Entrypoint: []string{"/bearerd"}, Cmd: []string{"serve"},
		Env:          []string{"PATH=/", "BEARERD_LISTEN=:8080", "BEARERD_OPS_LISTEN=:9180"},
		ExposedPorts: map[string]struct{}{"8080/tcp": {}}, Volumes: map[string]struct{}{stateDir: {}}, StopSignal: "SIGTERM",
		Labels: map[string]string{
			"org.opencontainers.image.title": "bearerd", "org.opencontainers.image.version": r.version.plain(),
			"org.opencontainers.image.source": homepage, "org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.description": "API tokens for existing applications, revocable everywhere at once",
		},
	}
}

// baseLayer returns the files that a program needs in an image without a system.
func (r *release) baseLayer() (v1.Layer, error) {
	user := fmt.Sprintf("bearerd:x:%d:%d:bearerd:%s:/nonexistent\n", imageUser, imageUser, stateDir)
	return r.layer([]file{
		{name: "etc/"},
		{name: "etc/ssl/"},
		{name: "etc/ssl/certs/"},
		{name: "tmp/", mode: 0o1777},
		{name: "var/"},
		{name: "var/lib/"},
		{name: "etc/passwd", text: []byte("root:x:0:0:root:/:/nonexistent\n" + user)},
		{name: "etc/group", text: fmt.Appendf(nil, "root:x:0:\nbearerd:x:%d:\n", imageUser)},
		{name: "etc/ssl/certs/ca-certificates.crt", text: roots()},
		{name: "var/lib/bearerd/", mode: 0o700, uid: imageUser},
	})
}

// roots returns the certificate authorities that Mozilla trusts, as a module of Go's has
// them: so the same sources make the same image, no matter which machine makes it. Those of
// which Mozilla trusts only older certificates are left out: a file can't say that.
func roots() []byte {
	var text bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes everything
	}
	return text.Bytes()
}

func (r *release) layer(files []file) (v1.Layer, error) {
	var packed bytes.Buffer
	if err := writeTar(&packed, files, r.epoch); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
}
