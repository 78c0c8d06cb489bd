package main

import (
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/signin"
)

// sourcesOf returns what the sources of the configuration may say of whom.
func sourcesOf(list []config.SignInSource) signin.Sources {
	sources := make(signin.Sources, 0, len(list))
	for _, s := range list {
		sources = append(sources, signin.Source{
			Name: s.Name, Title: s.ShownAs(),
			Create: s.Unknown == config.UnknownCreate, LinkUsername: s.Link == config.LinkUsername,
			SetsGroups: s.Groups != "", GroupsOnly: s.GroupsOnly, Allow: s.Allow, MaxAge: s.MaxAge,
			Users: s.Users, ExternalID: s.ExternalID,
		})
	}
	return sources
}
