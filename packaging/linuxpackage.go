package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // registers itself
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm" // registers itself
)

const (
	description = `API tokens for existing applications, revocable everywhere at once
bearerd adds API tokens to HTTP applications that already run, beside nginx, Caddy,
Traefik or Envoy, as a proxy, or inside a Go or Python program. Verifying a token touches
no database, and a revoked one is refused by every server before the revocation is
acknowledged.`
	homepage   = "https://github.com/bearerd/bearerd"
	maintainer = "The bearerd authors <bearerd@users.noreply.github.com>"
)

// linuxPackages makes a Debian and an RPM package of each binary for Linux.
func (r *release) linuxPackages(context.Context) error {
	for _, p := range r.platforms {
		if p.os != "linux" {
			continue
		}
		for _, format := range []string{"deb", "rpm"} {
			if err := r.linuxPackage(p, format); err != nil {
				return fmt.Errorf("making the %s for %s: %w", format, p.arch, err)
			}
		}
	}
	return nil
}

func (r *release) linuxPackage(p platform, format string) error {
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	info, err := r.packageInfo(p, format)
	if err != nil {
		return err
	}
	nfpm.WithDefaults(info) // takes the version apart
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return err
	}
	var packed bytes.Buffer
	if err := packager.Package(info, &packed); err != nil {
		return err
	}
	name := packager.ConventionalFileName(info)
	r.say("wrote %s", name)
	return os.WriteFile(filepath.Join(r.out, name), packed.Bytes(), 0o644) //nolint:gosec // everybody may read a release
}

// packageInfo describes a package.
func (r *release) packageInfo(p platform, format string) (*nfpm.Info, error) {
	contents, err := r.contents(p, format)
	if err != nil {
		return nil, err
	}
	script := func(name string) string { return filepath.Join(r.root, "packaging", "scripts", format, name) }
	info := &nfpm.Info{
		Name: "bearerd", Arch: p.arch, Platform: p.os, Version: string(r.version), Release: "1", Section: "net", Priority: "optional",
		Maintainer: maintainer, Description: description, Homepage: homepage, License: "Apache-2.0", MTime: r.epoch, DisableGlobbing: true,
		Overridables: nfpm.Overridables{
			Contents: contents, Recommends: []string{"ca-certificates"},
			Scripts: nfpm.Scripts{PostInstall: script("postinst"), PreRemove: script("prerm"), PostRemove: script("postrm")},
		},
	}
	switch format {
	case "deb":
		info.Depends = []string{"passwd"}
		info.Deb = nfpm.Deb{Compression: "xz"}
	case "rpm":
		info.Depends = []string{"shadow-utils"}
		info.Scripts.PreInstall = script("preinst")
		info.RPM = nfpm.RPM{BuildHost: "localhost", Compression: "xz", Summary: strings.SplitN(description, "\n", 2)[0]}
	}
	return info, nil
}

// contents writes the files of a package where nfpm finds them, and returns where they
// are installed.
func (r *release) contents(p platform, format string) (files.Contents, error) {
	list := files.Contents{
		r.packed(r.binaries[p], "/usr/bin/bearerd", 0o755),
		{Destination: "/var/lib/bearerd", Type: files.TypeDir, FileInfo: &files.ContentFileInfo{Owner: owner(format), Group: owner(format), Mode: 0o700 | fs.ModeDir, MTime: r.epoch}},
		{Destination: "/etc/bearerd", Type: files.TypeDir, FileInfo: &files.ContentFileInfo{Owner: "root", Group: owner(format), Mode: 0o750 | fs.ModeDir, MTime: r.epoch}},
	}
	for _, f := range r.common {
		target, keep := placeOf(f.name, format)
		text := f.text
		if f.name == "bearerd.service" {
			text = packagedUnit(text)
		}
		source := filepath.Join(r.work, "packages", format, filepath.FromSlash(target))
		if err := os.MkdirAll(filepath.Dir(source), 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(source, text, 0o600); err != nil {
			return nil, err
		}
		content := r.packed(source, target, 0o644)
		if keep {
			content.Type = files.TypeConfigNoReplace
			content.FileInfo.Mode, content.FileInfo.Group = 0o640, owner(format)
		}
		list = append(list, content)
	}
	return list, nil
}

// owner returns the user whom the state belongs to. An RPM has created it before its files
// are unpacked; Debian's script does so after, and makes it their owner.
func owner(format string) string {
	if format == "rpm" {
		return "bearerd"
	}
	return "root"
}

func (r *release) packed(source, target string, mode fs.FileMode) *files.Content {
	return &files.Content{Source: source, Destination: target, Type: files.TypeFile, FileInfo: &files.ContentFileInfo{
		Owner: "root", Group: "root", Mode: mode, MTime: r.epoch,
	}}
}

// placeOf returns where a file is installed, and whether it is a configuration file.
func placeOf(name, format string) (target string, keep bool) {
	zsh := "/usr/share/zsh/vendor-completions/"
	if format == "rpm" {
		zsh = "/usr/share/zsh/site-functions/"
	}
	base := path.Base(name)
	switch {
	case name == "bearerd.yaml":
		return "/etc/bearerd/bearerd.yaml", true
	case name == "bearerd.service":
		return "/usr/lib/systemd/system/bearerd.service", false
	case strings.HasPrefix(name, "man/"):
		return "/usr/share/man/man1/" + base, false
	case strings.HasPrefix(name, "completions/bash/"):
		return "/usr/share/bash-completion/completions/" + base, false
	case strings.HasPrefix(name, "completions/zsh/"):
		return zsh + base, false
	case strings.HasPrefix(name, "completions/fish/"):
		return "/usr/share/fish/vendor_completions.d/" + base, false
	case name == "LICENSE" && format == "deb":
		return "/usr/share/doc/bearerd/copyright", false
	}
	return "/usr/share/doc/bearerd/" + base, false
}

// packagedUnit returns the unit as a package has it: with the packaged binary, and without
// the commands that the package carries out by itself.
func packagedUnit(unit []byte) []byte {
	_, unit, _ = bytes.Cut(unit, []byte("\n\n"))
	return bytes.Replace(unit, []byte("/usr/local/bin/bearerd"), []byte("/usr/bin/bearerd"), 1)
}
