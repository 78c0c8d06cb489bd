package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// file is one that goes into an archive.
type file struct {
	name string // with slashes, and none at the beginning; one at the end makes a directory
	text []byte
	mode int64 // 0: 0644, of directories 0755
	uid  int   // and the group
}

// writeTar writes files in the order of their names, all with the same time, so that the
// same files make the same bytes. It writes directories only when they are among the
// files.
func writeTar(w io.Writer, files []file, at time.Time) error {
	sorted := slices.SortedFunc(slices.Values(files), func(a, b file) int { return cmp.Compare(a.name, b.name) })
	t := tar.NewWriter(w)
	for _, f := range sorted {
		h := &tar.Header{
			Name: f.name, Size: int64(len(f.text)), Mode: cmp.Or(f.mode, 0o644), Uid: f.uid, Gid: f.uid,
			ModTime: at.UTC(), Typeflag: tar.TypeReg, Format: tar.FormatPAX,
		}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, cmp.Or(f.mode, 0o755)
		}
		if err := t.WriteHeader(h); err != nil {
			return fmt.Errorf("archiving %s: %w", f.name, err)
		}
		if _, err := t.Write(f.text); err != nil {
			return fmt.Errorf("archiving %s: %w", f.name, err)
		}
	}
	return t.Close()
}

// writeArchive writes a compressed archive to a path.
func writeArchive(target string, files []file, at time.Time) error {
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is one
	if err := writeTar(w, files, at); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(target, packed.Bytes(), 0o644) //nolint:gosec // everybody may read a release
}

// archives makes an archive for each platform: the binary and what goes with it, in one
// directory.
func (r *release) archives(context.Context) error {
	for _, p := range r.platforms {
		binary, err := os.ReadFile(r.binaries[p])
		if err != nil {
			return err
		}
		name := "bearerd_" + r.version.plain() + "_" + p.String()
		files := []file{{name: name + "/bearerd", text: binary, mode: 0o755}}
		for _, f := range r.common {
			f.name = path.Join(name, f.name)
			files = append(files, f)
		}
		if err := writeArchive(filepath.Join(r.out, name+".tar.gz"), files, r.epoch); err != nil {
			return err
		}
		r.say("wrote %s.tar.gz", name)
	}
	return nil
}
