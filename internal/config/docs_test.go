package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/config"
)

const handbook = "../../docs/configuration.md"

var update = flag.Bool("update", false, "write reference.yaml again, of the operator's page")

// keys returns the paths of all keys of a struct.
func keys(t reflect.Type, prefix string) []string {
	var list []string
	for field := range t.Fields() {
		path := prefix + field.Tag.Get("yaml")
		if field.Type.Kind() == reflect.Struct {
			list = append(list, keys(field.Type, path+".")...)
		} else {
			list = append(list, path)
		}
	}
	return list
}

func TestEveryKeyIsDocumentedAndNoOther(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(handbookText(t), -1) {
		for name := range strings.SplitSeq(row[1], ", ") {
			documented[strings.Trim(name, "`")] = true
		}
	}
	exist := map[string]bool{}
	for _, key := range keys(reflect.TypeFor[config.Config](), "") {
		exist[key] = true
	}
	if diff := cmp.Diff(exist, documented); diff != "" {
		t.Errorf("(-code +docs):\n%s", diff)
	}
}

func TestTheDocumentedFilesAreTaken(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(handbookText(t), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d YAML blocks, want the configuration and the access file", len(blocks))
	}
	got, err := config.Load(write(t, blocks[0][1]), nil, nil)
	if diff := cmp.Diff(config.Default(), got, same); err != nil || diff != "" {
		t.Errorf("configuration: %v\n%s", err, diff)
	}
	if *update {
		if err := os.WriteFile("reference.yaml", []byte(blocks[0][1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(blocks[0][1], config.Reference()); !*update && diff != "" {
		t.Errorf("reference.yaml is not what the page has; make golden (-page +file):\n%s", diff)
	}
	if access, err := config.ParseAccess(handbook, []byte(blocks[1][1])); err != nil || len(access.Bindings) != 3 {
		t.Errorf("access file: %v", err)
	}
}

// TestTheExamplesOfSourcesAreTaken: every configuration on the pages about signing in can
// be pasted as it stands.
func TestTheExamplesOfSourcesAreTaken(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/sign-in-*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		examples := 0
		for _, block := range regexp.MustCompile("(?s)( *)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			example := regexp.MustCompile("(?m)^"+block[1]).ReplaceAllString(block[2], "")
			if !strings.Contains("\n"+example, "\nsign_in:") {
				continue
			}
			examples++
			_, err := config.Load(write(t, "listen: 127.0.0.1:8081\n"+example), nil, nil)
			if err != nil {
				t.Errorf("%s:\n%s\n%v", filepath.Base(page), example, err)
			}
		}
		if examples == 0 {
			t.Errorf("%s has no example", page)
		}
	}
}

// handbookText returns the operator's page.
func handbookText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(handbook)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The access files on the page about trusted issuers are taken as they stand there.
func TestTheIssuersOnTheirPageAreTaken(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/trusted-issuers.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(block[1], "issuers:") {
			continue
		}
		found++
		if file, err := config.ParseAccess("trusted-issuers.md", []byte(block[1])); err != nil || len(file.Issuers) != 1 {
			t.Errorf("%v in\n%s", err, block[1])
		}
	}
	if found != 5 {
		t.Errorf("%d access files, want 5", found)
	}
}
