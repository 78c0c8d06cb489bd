// Package compose tests the example of examples/compose: Compose's own library reads it, and
// the programs that it names run with its files.
package compose
