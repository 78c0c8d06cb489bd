package hypothesis

import (
	"net/http"
	"strings"

	"github.com/bearerd/bearerd/internal/caller"

	"github.com/bearerd/bearerd/internal/httpkit"
)

// profile is who made a request. Features and preferences belong to the application:
// there are none here.
type profile struct {
	UserID      *string         `json:"userid"` // null: not signed in
	Authority   string          `json:"authority"`
	Groups      []group         `json:"groups"`
	Features    map[string]bool `json:"features"`
	Preferences map[string]bool `json:"preferences"`
	UserInfo    *userInfo       `json:"user_info,omitempty"`
}

type group struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Public bool   `json:"public"`
}

// everybody is the group that the original shows everybody.
var everybody = group{ID: "__world__", Name: "Public", Public: true}

type userInfo struct {
	DisplayName *string `json:"display_name"`
}

// profile serves /api/profile. As in the original, only a token authenticates, and no
// cookie.
func (d *Dialect) profile(w http.ResponseWriter, r *http.Request) error {
	raw, found, err := httpkit.Bearer(r)
	if err != nil {
		return err
	}
	query, err := httpkit.Query(r)
	if err != nil {
		return err
	}
	answer := profile{Authority: d.domain(), Groups: []group{everybody}, Features: map[string]bool{}, Preferences: map[string]bool{}}
	if asked := query.Get("authority"); !found && asked != "" && asked != answer.Authority {
		answer.Authority, answer.Groups = asked, []group{} // of which nothing is known here
	}
	if found {
		c, err := d.SignIn.Bearer(r.Context(), raw)
		if err != nil {
			return err
		}
		httpkit.Note(r, c)
		answer.fill(c)
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, answer)
}

// fill fills in what is known about the caller. A client that acts for itself is no user.
func (p *profile) fill(c *caller.Caller) {
	u := c.Subject
	if u.Client {
		return
	}
	id := userID(u.Username, p.Authority)
	p.UserID, p.UserInfo = &id, &userInfo{}
	if u.Name != "" {
		p.UserInfo.DisplayName = &u.Name
	}
	for _, name := range u.Groups {
		p.Groups = append(p.Groups, group{ID: name, Name: name})
	}
}

// userID writes the acct URI of a user. Clients split it at the @, so characters that RFC
// 7565 doesn't allow in a name are escaped.
func userID(username, domain string) string {
	var b strings.Builder
	b.WriteString("acct:")
	for _, c := range []byte(username) {
		if isUserPart(c) {
			b.WriteByte(c)
			continue
		}
		const digits = "0123456789ABCDEF"
		b.Write([]byte{'%', digits[c>>4], digits[c&15]})
	}
	return b.String() + "@" + domain
}

// isUserPart reports whether c is an unreserved character or a sub-delim of RFC 3986.
func isUserPart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~!$&'()*+,;=", c) >= 0
}
