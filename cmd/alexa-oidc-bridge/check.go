package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/server"
)

func checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and print what to enter elsewhere",
		Long: `check reads the configuration as serve does, reports all problems at once, and prints the values to enter in
the Alexa developer console and in the settings of the provider. It uses neither the network nor the database.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, warnings, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			for _, warning := range warnings {
				fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", warning)
			}
			return printSettings(cmd.OutOrStdout(), loaded.Server)
		},
	}
}

// printGrant prints the values for the grant that a skill should use: the authorization code grant if it has both.
func printGrant(w io.Writer, publicURL string, skill *bridge.Skill) {
	code := skill.HasGrant(bridge.GrantAuthorizationCode)
	name := "Implicit Grant"
	if code {
		name = "Auth Code Grant"
	}
	fmt.Fprintf(w, "  Authorization grant type\t%s\n", name)
	fmt.Fprintf(w, "  Your Web Authorization URI\t%s/authorize\n", publicURL)
	if code {
		fmt.Fprintf(w, "  Access Token URI\t%s/token\n", publicURL)
	}
	fmt.Fprintf(w, "  Your Client ID\t%s\n", skill.ClientID)
	if code {
		fmt.Fprintf(w, "  Your Secret\tthe skill's client_secret\n")
		fmt.Fprintf(w, "  Your Authentication Scheme\tHTTP Basic\n")
	}
}

// printSettings prints what to enter in the developer console, at the provider and in the backends.
func printSettings(w io.Writer, config server.Config) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, skill := range config.Skills {
		fmt.Fprintf(table, "skill %s, enter in the developer console under Account Linking:\n", skill.Name)
		printGrant(table, config.PublicURL, skill)
		for _, scope := range skill.Scopes {
			fmt.Fprintf(table, "  Scope\t%s\n", scope)
		}
	}
	for _, provider := range config.Providers {
		fmt.Fprintf(table, "provider %s, enter in its settings of client %s:\n", provider.ID, provider.ClientID)
		fmt.Fprintf(table, "  redirect URI\t%s\n", server.CallbackURI(config.PublicURL, provider.ID))
	}
	for _, backend := range config.Backends {
		fmt.Fprintf(table, "backend %s of skills %v:\n", backend.ID, slices.Sorted(slices.Values(backend.Skills)))
		fmt.Fprintf(table, "  lookup\tPOST %s/lookup\n", config.PublicURL)
	}
	fmt.Fprintln(table, "the configuration is good")
	return table.Flush()
}
