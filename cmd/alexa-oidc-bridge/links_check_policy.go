package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/upstream"
)

func linksCheckPolicyCommand() *cobra.Command {
	var asJSON bool
	check := &cobra.Command{
		Use:   "check-policy",
		Short: "Show the live links that a new configuration would suspend",
		Long: `check-policy applies a configuration that no server has yet to all live links in the database. It shows
which of them a server with it would suspend, why, and by which rule: it would report them inactive, until the
configuration is changed back. It reads the whole configuration, also where the database is, and changes nothing.
Claims are as they were when the person linked, or when the provider was last asked (offline: true), and only those that
the skill had a link keep.

The exit code is 0 if the check was made, also if links would be suspended.`,
		Example: `  alexa-oidc-bridge links check-policy --config new.yaml
  alexa-oidc-bridge links check-policy --config new.yaml --json | jq -r .[].sub`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, warnings, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			printWarnings(cmd, warnings)
			store, err := openStore(cmd, loaded.Storage)
			if err != nil {
				return err
			}
			found, checked, err := findSuspended(cmd.Context(), store, loaded.Server)
			if err != nil {
				err = failed(err, "check that the database can be read and is not locked by another program")
			}
			if err := closeAfter(store, err); err != nil {
				return err
			}
			return reportSuspended(cmd, found, checked, asJSON)
		},
	}
	check.Flags().BoolVar(&asJSON, "json", false, "print an array of objects; the count is on standard error")
	return check
}

// suspension is a live link that a configuration suspends.
type suspension struct {
	link   bridge.Link
	reason bridge.Reason
	rule   string // in words
}

// findSuspended returns the live links that a configuration suspends, the oldest first, and how many live ones there
// are. Beside those that are suspended, a page of them is in memory at a time.
func findSuspended(ctx context.Context, store *sqlstore.Store, config server.Config) (
	found []suspension, checked int, err error) {
	check := config.LinkChecker()
	err = eachPage(ctx, store, bridge.LinkFilter{Live: true}, func(links []bridge.Link) error {
		for i := range links {
			if reason := check(&links[i]); reason != "" {
				found = append(found, suspension{links[i], reason, describeRule(config, &links[i], reason)})
			}
		}
		checked += len(links)
		return nil
	})
	return found, checked, err
}

// describeRule says which rule of a configuration does not permit a link.
func describeRule(config server.Config, link *bridge.Link, reason bridge.Reason) string {
	if reason == bridge.ReasonUnknownSkill {
		return "no skill has the client_id " + link.ClientID
	}
	i := slices.IndexFunc(config.Skills, func(skill *bridge.Skill) bool { return skill.ClientID == link.ClientID })
	skill := config.Skills[i]
	switch reason {
	case bridge.ReasonTestTokens:
		return "it is a test link, and test_tokens of the skill is not true"
	case bridge.ReasonOtherProvider:
		return describeProvider(providerOf(config, skill), link)
	}
	rule := bridge.FirstFailed(skill.Allow.Rules(link.Claims))
	if claim := claimOf(rule); link.Claims[claim] == nil {
		return fmt.Sprintf("allow.%s: the link has no claim %s: the provider did not send it, or the skill did not need it, "+
			"when the person linked", rule.Name, claim)
	}
	return "allow." + rule.Name + ": " + rule.Detail
}

// claimOf returns the claim for which a rule does not hold.
func claimOf(rule bridge.Rule) string {
	claim, ofClaim := strings.CutPrefix(rule.Name, "claims: ")
	switch {
	case rule.Reason == bridge.ReasonEmailUnverified:
		return bridge.ClaimEmailVerified
	case ofClaim:
		return claim
	case rule.Reason == bridge.ReasonGroups:
		return bridge.ClaimGroups
	}
	return bridge.ClaimEmail
}

// describeProvider says in what a link differs from the provider of its skill, in the order in which it is checked.
func describeProvider(provider upstream.Config, link *bridge.Link) string {
	email := cmp.Or(strings.Join(provider.EmailClaim, "."), bridge.ClaimEmail)
	key, now, then := "groups_claim", cmp.Or(strings.Join(provider.GroupsClaim, "."), bridge.ClaimGroups), link.GroupsClaim
	switch subject := cmp.Or(provider.SubjectClaim, "sub"); {
	case link.Provider.ID != provider.ID:
		key, now, then = "the provider of the skill", provider.ID, link.Provider.ID
	case link.Issuer != provider.Issuer:
		key, now, then = "issuer", provider.Issuer, link.Issuer
	case link.SubjectClaim != subject:
		key, now, then = "subject_claim", subject, link.SubjectClaim
	case link.EmailClaim != "" && link.EmailClaim != email && link.Claims[bridge.ClaimEmail] != nil:
		key, now, then = "email_claim", email, link.EmailClaim
	}
	return fmt.Sprintf("%s is %s; when the person linked it was %s", key, now, cmp.Or(then, "not known"))
}

// reportSuspended prints suspended links and how many there are.
func reportSuspended(cmd *cobra.Command, found []suspension, checked int, asJSON bool) error {
	out, counts := cmd.OutOrStdout(), cmd.OutOrStdout()
	print := printSuspended
	if asJSON {
		print, counts = printSuspendedJSON, cmd.ErrOrStderr()
	}
	if err := print(out, found); err != nil {
		return err
	}
	_, err := fmt.Fprintf(counts, "live links checked: %d\nlinks that would be suspended: %d\n", checked, len(found))
	return err
}

// suspensionJSON is one link in the output of links check-policy --json.
type suspensionJSON struct {
	LinkID   string `json:"link_id"`
	ClientID string `json:"client_id"`
	Provider string `json:"provider"`
	Subject  string `json:"sub"`
	Name     string `json:"name"`  // empty: not kept with the link
	Email    string `json:"email"` // empty: not kept with the link
	Reason   string `json:"reason"`
	Rule     string `json:"rule"`
	Test     bool   `json:"test,omitempty"` // made by links mint
}

func printSuspendedJSON(w io.Writer, found []suspension) error {
	list := make([]suspensionJSON, len(found))
	for i, s := range found {
		list[i] = suspensionJSON{s.link.ID, s.link.ClientID, s.link.Provider.ID, s.link.Subject, s.link.Claims.DisplayName(),
			s.link.Claims.String(bridge.ClaimEmail), string(s.reason), s.rule, s.link.IsTest()}
	}
	return printJSON(w, list)
}

func printSuspended(w io.Writer, found []suspension) error {
	if len(found) == 0 {
		return nil
	}
	table := newTable(w)
	fmt.Fprintln(table, "LINK\tSKILL\tPROVIDER\tSUBJECT\tPERSON\tREASON\tRULE")
	for _, s := range found {
		printRow(table, []string{s.link.ID, s.link.ClientID, s.link.Provider.ID, s.link.Subject, personOf(&s.link),
			string(s.reason), s.rule})
	}
	return table.Flush()
}
