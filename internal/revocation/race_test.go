//go:build race

package revocation_test

// manyIDs is how many the memory is tested with. The race detector makes each of
// them many times as slow.
const manyIDs = 200_000
