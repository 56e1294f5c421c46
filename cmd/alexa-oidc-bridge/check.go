package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/config"
)

func checkCommand() *cobra.Command {
	var online bool
	check := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and print what to enter elsewhere",
		Long: `check reads the configuration as serve does, reports all problems at once, and prints the values to enter in
the settings of the provider and in the Alexa developer console. It uses neither the network nor the database.

With --online it also asks: each provider for its metadata and keys, the database for its schema, and public_url for
the server that answers there. Each line begins with ok, warning or fault; the line below says what to do. It changes
nothing. After a fault the exit code is 1.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, warnings, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			printWarnings(cmd, warnings)
			if err := printSettings(cmd, loaded.Server); err != nil || !online {
				return err
			}
			return checkOnline(cmd.Context(), cmd.OutOrStdout(), loaded)
		},
	}
	check.Flags().BoolVar(&online, "online", false, "also ask the providers, the database and public_url")
	return check
}

func printWarnings(cmd *cobra.Command, warnings []config.Warning) {
	for _, warning := range warnings {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", warning)
	}
}

// printSettings prints what to enter at the provider, in the developer console and in the backends.
func printSettings(cmd *cobra.Command, config server.Config) error {
	table := newTable(cmd.OutOrStdout())
	for _, provider := range config.Providers {
		fmt.Fprintf(table, "provider %s, enter in the settings of its client %s:\n", provider.ID, provider.ClientID)
		fmt.Fprintf(table, "  Redirect URI\t%s\n", server.CallbackURI(config.PublicURL, provider.ID))
		fmt.Fprintf(table, "  Back-channel logout URI\t%s\n", server.BackChannelLogoutURI(config.PublicURL, provider.ID))
		if config.Accounts[provider.ID].UniversalLogout {
			fmt.Fprintf(table, "  Global token revocation endpoint\t%s\n",
				server.GlobalTokenRevocationURI(config.PublicURL, provider.ID))
		}
		if scim := config.Accounts[provider.ID].SCIM; len(scim.Tokens) > 0 {
			fmt.Fprintf(table, "provider %s, enter in the settings of its directory:\n", provider.ID)
			fmt.Fprintf(table, "  SCIM base URL\t%s\n", server.DirectoryURL(config.PublicURL, provider.ID))
			fmt.Fprintf(table, "  Bearer token\t%s\n", "scim.token of the configuration")
		}
	}
	for _, skill := range config.Skills {
		if err := printSkill(cmd, table, config, skill, false); err != nil {
			return err
		}
	}
	for _, backend := range config.Backends {
		fmt.Fprintf(table, "backend %s of skills %v:\n", backend.ID, slices.Sorted(slices.Values(backend.Skills)))
		fmt.Fprintf(table, "  lookup\tPOST %s/lookup\n", config.PublicURL)
	}
	fmt.Fprintln(table, "the configuration is good")
	return table.Flush()
}

// printSkill prints the account linking page of a skill, with its secret or where that comes from, and what its events
// need.
func printSkill(cmd *cobra.Command, w io.Writer, config server.Config, skill *bridge.Skill, withSecret bool) error {
	secret, err := loadClientSecret(cmd, skill.ClientID)
	if err != nil {
		return err
	}
	shown := secret.Text
	if !withSecret {
		source := cmp.Or(secret.Source, "client_secret of the configuration")
		shown = "from " + source + "; `skill show " + skill.ClientID + " --with-secret` prints it"
	}
	printConsole(w, skill, consoleSkill(config, skill).Console(shown))
	printEvents(w, config, skill)
	return nil
}

func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// providerOf returns the provider of a skill. A configuration that loads has it.
func providerOf(config server.Config, skill *bridge.Skill) upstream.Config {
	i := slices.IndexFunc(config.Providers, func(p upstream.Config) bool { return p.ID == skill.Provider })
	return config.Providers[i]
}
