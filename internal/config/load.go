package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/suggest"
)

const (
	maxConfigFile = 1 << 20
	envPrefix     = "BEARERD_"
	envConfig     = "BEARERD_CONFIG" // names the file
	envTest       = "BEARERD_TEST_"  // is for the tests of bearerd itself
)

// Load returns the configuration: the defaults, the file at path over them, the
// BEARERD_… variables of env ("NAME=value") over it, and overrides, by key path
// ("revocation.max_staleness"), over all. An empty path means the one that
// BEARERD_CONFIG names, and without that no file. In variables and overrides a
// list is written with commas or, like a mapping, as YAML. Variables that Kubernetes makes
// for a service called bearerd are passed over. Where the dialect gen3 is on,
// the algorithm that nobody set is RS256. The error is a
// [ProblemsError] with all that is wrong; a file that can't be read is another.
func Load(path string, env []string, overrides map[string]string) (Config, error) {
	cfg := Default()
	d, err := loadInto(reflect.ValueOf(&cfg).Elem(), path, env, overrides)
	if err != nil {
		return Config{}, err
	}
	if _, set := d.origin["signing.algorithm"]; !set && slices.Contains(cfg.Dialects, DialectGen3) {
		cfg.Signing.Algorithm = algorithmOfGen3
	}
	// An element of a list gets the defaults of the keys that it leaves out.
	cfg.Upstream.complete()
	for i := range cfg.SignIn.Sources {
		cfg.SignIn.Sources[i].complete()
	}
	if len(d.problems) == 0 {
		d.problems = validate(cfg, d.origin)
	}
	if len(d.problems) > 0 {
		return Config{}, ProblemsError(d.problems)
	}
	return cfg, nil
}

// loadInto fills a configuration, a struct that holds its defaults, as Load does.
func loadInto(cfg reflect.Value, path string, env []string, overrides map[string]string) (*decoder, error) {
	variables := map[string]string{} // those that are bearerd's
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, envPrefix) && !strings.HasPrefix(name, envTest) {
			variables[name] = value
		}
	}
	if path == "" {
		path = variables[envConfig]
	}
	d := &decoder{origin: map[string]string{}}
	if path != "" {
		text, err := readFile(path, maxConfigFile)
		if err != nil {
			return nil, fmt.Errorf("reading the configuration: %w", err)
		}
		d.source, d.isFile = path, true
		d.document("", string(text), cfg)
	}
	d.isFile = false
	d.variables(variables, cfg)
	d.overrides(overrides, cfg)
	return d, nil
}

// variables sets the keys that have a variable.
func (d *decoder) variables(variables map[string]string, cfg reflect.Value) {
	keys := map[string]string{}
	all := leaves(cfg.Type(), "")
	for _, key := range all {
		keys[variableOf(key)] = key
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if name == envConfig {
			continue
		}
		d.source = name
		key, known := keys[name]
		if !known && isServiceLink(name, variables[name]) {
			continue
		}
		if !known {
			d.fail(nil, "", "unknown variable", variableHint(name, all))
			continue
		}
		d.set(key, variables[name], cfg)
	}
}

// exampleKey is a key that shows how variables are named.
const exampleKey = "access_token.ttl"

// variableHint returns the variable that an unknown one was probably meant to be, or else
// shows how variables are named.
func variableHint(name string, all []string) string {
	var names []string
	for _, key := range all {
		names = append(names, strings.TrimPrefix(variableOf(key), envPrefix))
	}
	if closest := suggest.Closest(strings.TrimPrefix(name, envPrefix), names); closest != "" {
		return "did you mean " + envPrefix + closest + "?"
	}
	example := exampleKey
	if !slices.Contains(all, example) {
		example = "verify.cache"
	}
	return "the variable of " + example + " is " + variableOf(example)
}

func (d *decoder) overrides(overrides map[string]string, cfg reflect.Value) {
	keys := leaves(cfg.Type(), "")
	for _, key := range slices.Sorted(maps.Keys(overrides)) {
		d.source = "--" + strings.NewReplacer(".", "-", "_", "-").Replace(key)
		if !slices.Contains(keys, key) {
			d.fail(nil, "", fmt.Sprintf("unknown key %q", key), "")
			continue
		}
		d.set(key, overrides[key], cfg)
	}
}

// set sets the value at the key, a leaf, from one text.
func (d *decoder) set(key, text string, cfg reflect.Value) {
	v := leaf(cfg, key)
	d.origin[key] = d.source
	switch {
	case isScalar(v.Type()):
		d.text(key, nil, text, v)
	case v.Kind() == reflect.Slice && isScalar(v.Type().Elem()) && !strings.HasPrefix(strings.TrimSpace(text), "["):
		// A list of scalars from "a, b".
		list := reflect.MakeSlice(v.Type(), 0, 0)
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				element := reflect.New(v.Type().Elem()).Elem()
				d.text(key, nil, item, element)
				list = reflect.Append(list, element)
			}
		}
		v.Set(list)
	default:
		v.SetZero() // replaced, not added to
		d.document(key, text, v)
	}
}

// leaves returns the paths of all keys that hold a value: what is no struct.
func leaves(t reflect.Type, prefix string) []string {
	var paths []string
	for field := range t.Fields() {
		path := join(prefix, field.Tag.Get("yaml"))
		if field.Type.Kind() == reflect.Struct && !isScalar(field.Type) {
			paths = append(paths, leaves(field.Type, path)...)
		} else {
			paths = append(paths, path)
		}
	}
	return paths
}

// leaf returns the value at a path of leaves.
func leaf(v reflect.Value, path string) reflect.Value {
	name, rest, nested := strings.Cut(path, ".")
	for field, value := range v.Fields() {
		if field.Tag.Get("yaml") != name {
			continue
		}
		if nested {
			return leaf(value, rest)
		}
		return value
	}
	panic("config: no key " + path)
}

// variableOf returns the variable of a key path.
func variableOf(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) (text []byte, err error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err = io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return text, nil
}
