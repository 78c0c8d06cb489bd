package identity

import "strings"

// IsClientURL reports whether a client's id is the URL of a document about the client
// (draft-ietf-oauth-client-id-metadata-document), so that it doesn't need to be registered.
func IsClientURL(id string) bool { return strings.HasPrefix(id, "https://") }

// ClientOfURL returns what is known of a client by its URL alone, without reading it: it
// is public, and asks people for access. The grant has what they allowed it.
func ClientOfURL(id string) *Client {
	return &Client{ID: id, Grants: []string{GrantTypeAuthorizationCode, GrantTypeRefreshToken}}
}
