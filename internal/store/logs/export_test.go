package logs

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
)

// Lookups are the statements that must be served by an index, by name.
func Lookups() map[string]string {
	all := map[string]string{
		"selectEntries": selectEntries,
		"newestEntry":   newestEntry,
		"deleteNode":    deleteNode,
		"dropNode":      dropNode,
		"purgeEntries":  purgeEntries,
		"purgeEvents":   purgeEvents,
	}
	maps.Copy(all, eventLookups())
	return all
}

// Statements are all that are prepared, by name, with those of Lookups.
func Statements() map[string]string {
	all := Lookups()
	maps.Copy(all, map[string]string{
		"upsertNode":  upsertNode,
		"insertEvent": insertEvent,
		"raisePurged": raisePurged,
		"seqOfHead":   seqOfHead,
	})
	return all
}

// eventLookups are the statements of the audit log.
func eventLookups() map[string]string {
	all := map[string]string{"eventTime": selectEventTime}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, f := range map[string]audit.Filter{
		"All": {}, "Actor": {Actor: "x"}, "Target": {Target: "x"}, "Token": {TokenID: "x"}, "Action": {Action: "x"}, "Refused": {Outcome: audit.Refused},
		"FromOne": {Address: "192.0.2.1"}, "FromFew": {Address: "192.0.2.0/24"}, "Since": {Since: now}, "Until": {Until: now}, "ActorSince": {Actor: "x", Since: now},
	} {
		f.Cursor = 1
		l, err := newEventList(f)
		if err != nil {
			panic(err)
		}
		all["events"+name], _ = l.horizon()
		for i, by := range slices.Concat(l.equal, l.ranges) {
			all["events"+name+strconv.Itoa(i)], _ = l.count(by)
		}
	}
	return all
}
