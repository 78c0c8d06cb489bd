// Package op has the operations by which everything that is kept is changed, and the batch
// in which they are committed.
package op
