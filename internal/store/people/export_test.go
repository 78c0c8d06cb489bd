package people

import (
	"maps"

	"github.com/bearerd/bearerd/internal/records"
)

// SearchedUsers is how many users are looked at for a page of a search.
const SearchedUsers = searchedUsers

// Lookups are the statements that must be served by an index, by name.
func Lookups() map[string]string {
	return map[string]string{
		"principalByID":       principalByID,
		"principalByUsername": principalByUsername,
		"selectOneUser":       selectOneUser,
		"lockUser":            lockUser,
		"updateUserRow":       updateUserRow,
		"rehash":              rehash,
		"deleteUser":          deleteUser,
		"deleteGroup":         deleteGroup,
		"principalByLink":     principalByLink,
		"deleteLink":          deleteLink,
		"purgePasswordLinks":  purgePasswordLinks,
		"userExists":          userExists,
		"linksOfUser":         linksOfUser,
		"linksOfSource":       linksOfSource,
		"selectAttempts":      selectAttempts,
		"purgeAttempts":       purgeAttempts,
		"purgeAddresses":      purgeAddresses,
		"selectAccount":       selectAccount,
		"deleteAttempt":       deleteAttempt,
		"deleteAttempts":      deleteAttempts,
		"selectAddress":       selectAddress,
		"forgetAddresses":     forgetAddresses,
		"usersByName":         usersByName(fewIDs),
	}
}

// Statements are all that are prepared, by name, with those of Lookups.
func Statements() map[string]string {
	all := Lookups()
	maps.Copy(all, map[string]string{"insertUser": insertUser, "insertGroup": insertGroup, "addAttempt": addAttempt})
	return all
}

// OwnedLookups are the statements of lists of what a source provisions.
func OwnedLookups() map[string]string {
	all := map[string]string{"users": selectOwnedUsers, "part": selectOwnedPart, "groups": selectOwnedGroups, "count of groups": countOwnedGroups, "members": selectMembers}
	for name, condition := range map[string]string{
		"user by id": ownedByID, "user by name": ownedByName, "user by external id": ownedByExternal,
	} {
		f := ownedFilter{args: []any{"hr"}}
		f.is(condition, "x")
		all[name] = f.statement(selectOwnedUser)
	}
	for name, condition := range map[string]string{
		"group by id": groupByID, "group by name": groupByName, "group by external id": groupByExternal, "group by member": groupByMember,
	} {
		f := ownedFilter{args: []any{"hr"}}
		f.is(condition, "x")
		all[name] = f.statement(selectGroup)
	}
	return all
}

// ListLookups are the statements of lists of users: each order and filter has an index.
func ListLookups() map[string]string {
	all := map[string]string{}
	for name, q := range map[string]records.UserQuery{
		"all": {}, "after": {After: "ada"}, "from the end": {Descending: true}, "disabled": {Disabled: new(true)}, "searched": {Search: "x"},
	} {
		l := &userList{UserQuery: q, search: q.Search}
		all["users, "+name], _ = l.walked(101, records.MaxTotal)
		all["users, total, "+name], _ = l.counted(101)
	}
	return all
}
