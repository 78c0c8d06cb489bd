//go:build !race

package revocation_test

// manyIDs is how many the memory is tested with.
const manyIDs = 10_000_000
