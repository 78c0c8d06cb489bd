// Package contract is what a store does: read rows, and commit batches of operations. It
// declares interfaces alone, of a few methods each, so that a package asks for what it needs.
package contract
