package gen3

import (
	"slices"

	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/token"
)

// keyScopes are the scopes that the original adds to every API key: its services require
// the one, Fence itself requires the other.
var keyScopes = []string{"fence", "openid"}

// Profile returns what the ecosystem reads in every token, however it was issued.
func Profile() issuance.Profile {
	return issuance.Profile{AsLists: true, Claims: claims, KeyScopes: slices.Clone(keyScopes)}
}

// claims returns the purpose of a token, its client and, for an access or task token, its
// user. Without a client it is the empty string: services would take any other text for a
// client whose rights count too.
func claims(t issuance.JWT) map[string]any {
	if t.Kind == token.KindExchangeKey {
		return map[string]any{"pur": "api_key", "azp": t.Client}
	}
	context := map[string]any{}
	if t.User != nil {
		context["user"] = map[string]any{"name": t.User.Username}
	}
	if t.TaskType != "" {
		context["task_token_type"] = t.TaskType
	}
	return map[string]any{"pur": "access", "azp": t.Client, "context": context}
}
