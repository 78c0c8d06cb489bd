package postgres

import (
	"strings"
	"testing"
)

func TestOpenJudgesTheServer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version           int
		encoding          string
		standby, readOnly bool
		want              string
	}{
		{150004, "UTF8", false, false, ""},
		{130000, "UTF8", false, false, ""},
		{120022, "UTF8", false, false, "its server is PostgreSQL 12, and the oldest that bearerd supports is 13"},
		{90624, "UTF8", false, false, "its server is PostgreSQL 9,"},
		{150004, "SQL_ASCII", false, false, "its encoding is SQL_ASCII"},
		{150004, "LATIN1", false, false, "create it again with ENCODING 'UTF8'"},
		{150004, "UTF8", true, true, "its server is a standby"},
		{150004, "UTF8", false, true, "it is read-only"},
	} {
		err := server{version: c.version, encoding: c.encoding, standby: c.standby, readOnly: c.readOnly}.check(nil)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
