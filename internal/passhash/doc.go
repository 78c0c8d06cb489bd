// Package passhash hashes passwords and checks them against hashes, also against those of
// other systems.
//
// New passwords are hashed with argon2id at 19 MiB, two passes, one lane, about 40 ms of
// one core. A Hasher limits how many are hashed at once: it needs Slots × 19 MiB, and up
// to 256 MiB while one imported hash that asks for that much is checked, by itself.
// Hashes of other systems are verified and reported as stale, so that a login replaces
// them.
package passhash
