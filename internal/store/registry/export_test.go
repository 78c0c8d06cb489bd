package registry

import "maps"

// Lookups are the statements that must be served by an index, by name.
func Lookups() map[string]string {
	return map[string]string{
		"principalByClient":      principalByClient,
		"selectGrants":           selectGrants,
		"otherCollection":        otherCollection,
		"renameCollection":       renameCollection,
		"deleteCollection":       deleteCollection,
		"deleteBindingsFrom":     deleteBindingsFrom,
		"setPermissions":         setPermissions,
		"deleteRole":             deleteRole,
		"roleExists":             roleExists,
		"deleteBinding":          deleteBinding,
		"selectUserBindings":     selectUserBindings,
		"selectGroupBindings":    selectGroupBindings,
		"selectRootGroups":       selectRootGroups,
		"selectReachingBindings": selectReachingBindings,
		"updateClientRow":        updateClientRow,
		"setClientSecret":        setClientSecret,
		"deleteClient":           deleteClient,
		"scopeListed":            scopeListed,
	}
}

// Statements are all that are prepared, by name, with those of Lookups.
func Statements() map[string]string {
	all := Lookups()
	maps.Copy(all, map[string]string{
		"insertCollection": insertCollection,
		"insertRole":       insertRole,
		"insertBinding":    insertBinding,
		"insertClient":     insertClient,
		"upsertKey":        upsertKey,
	})
	return all
}
