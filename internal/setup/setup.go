// Package setup writes the configuration that a new installation begins with. It has
// every key with its description, and the default where nothing else was asked for. It is
// generated from the reference on the operator's page, so that the two can't differ.
package setup

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/bearerd/bearerd/internal/config"
)

// Setting is a key at the top of the configuration and its value, as YAML encodes it.
type Setting struct {
	Key   string
	Value any
}

const heading = `# The configuration of bearerd, written by "bearerd init".
#
# What is commented out is the default. docs/configuration.md says what each key means; to
# check a change, run
#
#     bearerd config check --config %s

`

// keyLine is a line of the reference: key, value, and what it is about.
var keyLine = regexp.MustCompile(`^(\w+): (.*?)(\s+# .*)?$`)

// Configuration returns the text of a configuration file with these settings. Name is the
// file's, for the command that checks it. The error names a setting that doesn't exist or
// can't be written.
func Configuration(name string, settings []Setting) (string, error) {
	var out strings.Builder
	fmt.Fprintf(&out, heading, name)
	written := 0
	for line := range strings.Lines(config.Reference()) {
		m := keyLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			return "", fmt.Errorf("setup: the reference has a line of another form: %q", line)
		}
		at := slices.IndexFunc(settings, func(s Setting) bool { return s.Key == m[1] })
		if at < 0 {
			out.WriteString("# " + line)
			continue
		}
		value, err := encode(settings[at].Value)
		if err != nil {
			return "", fmt.Errorf("setup: %s: %w", m[1], err)
		}
		written++
		out.WriteString(strings.TrimRight(m[1]+": "+value+"   "+strings.TrimSpace(m[3]), " ") + "\n")
	}
	if written != len(settings) {
		return "", fmt.Errorf("setup: %d of %d settings are keys of the configuration", written, len(settings))
	}
	return out.String(), nil
}

// encode returns a value as YAML on one line.
func encode(v any) (string, error) {
	text, err := yaml.Dump(v, yaml.WithLineWidth(-1), yaml.WithFlowSimpleCollections())
	if err != nil {
		return "", err
	}
	value := strings.TrimSuffix(string(text), "\n")
	if strings.Contains(value, "\n") {
		return "", fmt.Errorf("%q takes more than one line", value)
	}
	return value, nil
}
