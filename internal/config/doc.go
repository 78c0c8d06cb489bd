// Package config reads what an operator writes: the configuration, and the
// access file of `bearerd apply`.
//
// Both are YAML and read strictly. A key that is unknown or listed twice, a value of the
// wrong form, an anchor, an alias, a tag or a second document is an error that names the
// file and line. The configuration is the defaults, the file over them, BEARERD_…
// variables over the file, and flags over all; [Load] checks the whole and reports every
// problem that it finds, not only the first.
package config

import _ "embed" // the reference

//go:embed reference.yaml
var reference string

// Reference returns the whole configuration with its defaults, a key and its description
// on each line, as on the operator's page.
func Reference() string { return reference }
