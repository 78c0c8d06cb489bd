package main

import (
	"github.com/spf13/cobra"
)

func (p *program) revokeAllCommand() *cobra.Command {
	return p.revocation(&cobra.Command{
		Use:   "revoke-all USER",
		Short: "Void every token and session of a user",
		Long: `Void every token and session of a user: whatever was issued to them until now.
They may sign in again at once; to lock them out see "bearerd user disable".`,
		Args: takes("USER"),
	}, "every token and session of %s is void; %s", func(i *instance) revokes { return i.Revoker.RevokeAllOf })
}
