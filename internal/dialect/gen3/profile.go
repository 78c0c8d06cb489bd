package gen3

import (
	"slices"

	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/token"
)

// keyScopes are what the original gives every API key: its services ask for the one, it
// asks for the other itself.
var keyScopes = []string{"fence", "openid"}

// Profile returns what the ecosystem reads in every token, whichever way it was got.
func Profile() issuance.Profile {
	return issuance.Profile{AsLists: true, Claims: claims, KeyScopes: slices.Clone(keyScopes)}
}

// claims are the purpose of a token, its client and, of an access or task token, whom it
// speaks for. No client is the empty text: services take any other one for a client
// whose rights count too.
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
