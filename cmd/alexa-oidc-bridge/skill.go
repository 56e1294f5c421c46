package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/config"
)

func skillCommand() *cobra.Command {
	skill := &cobra.Command{
		Use:   "skill",
		Short: "Show what the developer console must have, and compare it with what it has",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	skill.AddCommand(skillShowCommand(), skillDiffCommand())
	return skill
}

func skillShowCommand() *cobra.Command {
	var asJSON, asManifest, withSecret bool
	show := &cobra.Command{
		Use:   "show ID",
		Short: "Print the account linking settings of the skill with this client_id",
		Long: `show prints what to enter on the Account Linking page of the developer console, and what the manifest must
have for skill events. With --json it prints the account linking settings as the object that the Skill Management API
takes, with --manifest the part of the manifest.

That API replaces all account linking settings of the skill: those that are not about this server, such as
skipOnEnablement and redirectUrls, get their defaults unless you add them. ` + "`skill diff`" + ` lists yours.`,
		Example: `  alexa-oidc-bridge skill show pizza
  alexa-oidc-bridge skill show pizza --json --with-secret > linking.json
  ask smapi update-account-linking-info -s amzn1.ask.skill.… -g development \
    --account-linking-request file:linking.json
  alexa-oidc-bridge skill show pizza --manifest > events.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, skill, err := loadSkill(cmd, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printLinkingJSON(cmd, consoleSkill(loaded.Server, skill), withSecret)
			}
			if asManifest {
				return printManifest(cmd, loaded.Server, skill)
			}
			table := newTable(cmd.OutOrStdout())
			if err := printSkill(cmd, table, loaded.Server, skill, withSecret); err != nil {
				return err
			}
			return table.Flush()
		},
	}
	show.Flags().BoolVar(&asJSON, "json", false, "print the object that \"ask smapi update-account-linking-info\" takes")
	show.Flags().BoolVar(&asManifest, "manifest", false, "print the part of the skill's manifest for events")
	show.MarkFlagsMutuallyExclusive("json", "manifest")
	show.Flags().BoolVar(&withSecret, "with-secret", false, "print the client secret; if there are several, the first")
	return show
}

// loadSkill loads the configuration and returns the skill with a client id.
func loadSkill(cmd *cobra.Command, clientID string) (*config.Config, *bridge.Skill, error) {
	loaded, _, err := loadConfig(cmd)
	if err != nil {
		return nil, nil, err
	}
	var ids []string
	for _, skill := range loaded.Server.Skills {
		if skill.ClientID == clientID {
			return loaded, skill, nil
		}
		ids = append(ids, skill.ClientID)
	}
	return nil, nil, misused("no skill has this client_id", "use one of: "+strings.Join(ids, ", "))
}

func loadClientSecret(cmd *cobra.Command, clientID string) (config.ClientSecret, error) {
	secret, err := config.LoadClientSecret(configPath(cmd), clientID)
	if err != nil {
		return secret, badConfig(configPath(cmd), err)
	}
	return secret, nil
}

// consoleSkill returns what the account linking settings of a skill depend on. They are for the authorization code
// grant if the skill has both grants.
func consoleSkill(config server.Config, skill *bridge.Skill) alexa.Skill {
	console := alexa.Skill{
		PublicURL:      config.PublicURL,
		ClientID:       skill.ClientID,
		CodeGrant:      skill.HasGrant(bridge.GrantAuthorizationCode),
		RequirePKCE:    skill.RequirePKCE,
		RedirectURIs:   skill.RedirectURIs,
		Scopes:         skill.Scopes,
		AccessLifetime: skill.AccessLifetime,
	}
	console.Hosts = []string{hostOf(providerOf(config, skill).Issuer)}
	return console
}

// printConsole prints the fields of the account linking page to a table. A field with several values has a line for
// each.
func printConsole(table io.Writer, skill *bridge.Skill, fields []alexa.ConsoleField) {
	fmt.Fprintf(table, "skill %s (%s), enter in the developer console under Build, Tools, Account Linking:\n",
		skill.ClientID, skill.Name)
	for _, field := range fields {
		name := field.Name
		if len(field.Values) == 0 {
			fmt.Fprintf(table, "  %s\t(none)\n", name)
		}
		for _, value := range field.Values {
			fmt.Fprintf(table, "  %s\t%s\n", name, value)
			name = ""
		}
		switch field.Name {
		case "Domain List":
			fmt.Fprintf(table, "  \t(and every other host that the provider's sign-in loads from)\n")
		case "Alexa Redirect URLs":
			fmt.Fprintf(table, "  \t(not entered: the page shows three, each of which must be one of these)\n")
		}
	}
}

// printLinkingJSON prints the account linking settings as the ASK CLI takes them.
func printLinkingJSON(cmd *cobra.Command, skill alexa.Skill, withSecret bool) error {
	linking := skill.AccountLinking()
	switch {
	case skill.CodeGrant && withSecret:
		secret, err := loadClientSecret(cmd, skill.ClientID)
		if err != nil {
			return err
		}
		linking.ClientSecret = secret.Text
	case skill.CodeGrant:
		fmt.Fprintln(cmd.ErrOrStderr(), "clientSecret, which the Skill Management API needs, is left out; use --with-secret")
	}
	request := map[string]alexa.AccountLinking{"accountLinkingRequest": linking}
	encoder := json.NewEncoder(cmd.OutOrStdout())
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(request)
}

// printManifest prints the part of a skill's manifest that events need, as the ASK CLI writes manifests.
func printManifest(cmd *cobra.Command, config server.Config, skill *bridge.Skill) error {
	if len(skill.SkillIDs) == 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), "skill_ids of the skill is empty, so its events are refused; set the skill's id")
	}
	return printJSON(cmd.OutOrStdout(), map[string]alexa.Manifest{"manifest": consoleSkill(config, skill).Manifest()})
}

// printEvents prints what the manifest of a skill must have, so that its events arrive.
func printEvents(table io.Writer, config server.Config, skill *bridge.Skill) {
	if len(skill.SkillIDs) == 0 {
		fmt.Fprintf(table, "skill %s, events: refused, since skill_ids is empty\n", skill.ClientID)
		return
	}
	events := consoleSkill(config, skill).Manifest().Events
	fmt.Fprintf(table, "skill %s, events, in its manifest (`skill show %s --manifest`):\n", skill.ClientID, skill.ClientID)
	fmt.Fprintf(table, "  events.endpoint.uri\t%s\n", events.Endpoint.URI)
	fmt.Fprintf(table, "  events.endpoint.sslCertificateType\t%s\n", events.Endpoint.SSLCertificateType)
	name := "events.subscriptions"
	for _, subscription := range events.Subscriptions {
		fmt.Fprintf(table, "  %s\t%s\n", name, subscription.EventName)
		name = ""
	}
}
