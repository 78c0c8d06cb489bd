package identity

import "strings"

// IsClientURL reports whether a client's id is the URL of a document about the client
// (draft-ietf-oauth-client-id-metadata-document), so that nobody need have registered it.
func IsClientURL(id string) bool { return strings.HasPrefix(id, "https://") }

// ClientOfURL returns what is known of a client by its URL alone, without reading it: it is
// public, and asks people. What they allowed it, the grant says.
func ClientOfURL(id string) *Client {
	return &Client{ID: id, Grants: []string{GrantTypeAuthorizationCode, GrantTypeRefreshToken}}
}
