package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge/keys"
)

func secretCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "secret",
		Short: "Print 32 random bytes, for use as a key or a secret",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), keys.Generate())
			return err
		},
	}
}
