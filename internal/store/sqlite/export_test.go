package sqlite

// Lookups are the statements that must be served by an index, by name.
func Lookups() map[string]string {
	return map[string]string{"touch": touch, "advanceHead": advanceHead}
}
