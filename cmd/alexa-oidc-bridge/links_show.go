package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/operator"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/upstream"
)

// shownLink is all that the database knows of a link.
type shownLink struct {
	link    bridge.Link
	tokens  int
	records []bridge.AuditRecord
}

func linksShowCommand() *cobra.Command {
	var asJSON bool
	show := &cobra.Command{
		Use:   "show link_id",
		Short: "Show one link, live or revoked, and what happened to it",
		Long: `show prints what the database knows of one link: who linked which skill, when and how, when the provider last
said that the account lives, by which kinds of names the provider can end it, whether an Alexa user is tied to it, how
many of its tokens are live, and its records in the audit log. It prints no token and no hash. The exit code is 1 if
the link is unknown.`,
		Example: `  alexa-oidc-bridge links show lnk_4ghm3yq7d2c5v6x7y2aaaaaaaa`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var shown shownLink
			err := withStore(cmd, func(store *sqlstore.Store) (err error) {
				shown, err = readLink(cmd, store, args[0])
				return err
			})
			if err != nil {
				return err
			}
			if asJSON {
				return printLinkJSON(cmd.OutOrStdout(), shown)
			}
			return printLink(cmd.OutOrStdout(), shown)
		},
	}
	show.Flags().BoolVar(&asJSON, "json", false, "print an object")
	return show
}

func readLink(cmd *cobra.Command, store *sqlstore.Store, id string) (shown shownLink, err error) {
	links, err := store.Links(cmd.Context(), bridge.LinkFilter{IDs: []string{id}})
	if err != nil {
		return shownLink{}, err
	}
	if len(links) == 0 {
		return shownLink{}, failed(errors.New("no link has the id "+upstream.LogText(id)),
			"see links list for the ids; of a link that was erased audit --link shows what is left")
	}
	shown.link = links[0]
	if shown.tokens, err = store.CountLiveTokens(cmd.Context(), id, time.Now()); err != nil {
		return shownLink{}, err
	}
	shown.records, err = store.Audit(cmd.Context(), bridge.AuditFilter{LinkID: id})
	return shown, err
}

func printLink(w io.Writer, shown shownLink) error {
	link, table := &shown.link, newTable(w)
	tied := ""
	if link.AlexaUser != "" {
		tied = "tied since " + minute(link.TiedAt)
	}
	for _, row := range [][]string{
		{"link", link.ID},
		{"skill", link.ClientID},
		{"person", personOf(link)},
		{"subject", link.Subject},
		{"provider", link.Provider.ID},
		{"issuer", link.Issuer},
		{"grant", grantOf(link)},
		{"scope", link.Scope},
		{"claims kept", strings.Join(slices.Sorted(maps.Keys(link.Claims)), ", ")},
		{"matched by", strings.Join(matchedBy(link.Account), ", ")},
		{"created", minute(link.CreatedAt)},
		{"last used", minute(link.LastUsedAt)},
		{"account checked", minute(link.CheckedAt)},
		{"Alexa user", tied},
		{"live tokens", fmt.Sprint(shown.tokens)},
		{"revoked", endOf(link, minute)},
	} {
		printRow(table, row)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return printAudit(w, shown.records)
}

// matchedBy returns by which names a provider can speak of the person, without the names.
func matchedBy(account bridge.Account) (kinds []string) {
	for _, name := range []struct{ kind, value string }{
		{"sub", account.Subject}, {"sid", account.Session}, {"directory", account.Directory}, {"email", account.Email},
	} {
		if name.value != "" {
			kinds = append(kinds, name.kind)
		}
	}
	return kinds
}

// linkJSON is the output of links show --json.
type linkJSON struct {
	operator.Link
	Issuer     string                 `json:"issuer"`
	Claims     bridge.Claims          `json:"claims"`
	MatchedBy  []string               `json:"matched_by"`
	CheckedAt  *time.Time             `json:"checked_at"`    // null: the provider is never asked
	TiedAt     *time.Time             `json:"alexa_tied_at"` // null: no Alexa user is known
	LiveTokens int                    `json:"live_tokens"`
	Audit      []operator.AuditRecord `json:"audit"`
}

func printLinkJSON(w io.Writer, shown shownLink) error {
	link := &shown.link
	object := linkJSON{Link: operator.Links([]bridge.Link{*link})[0], Issuer: link.Issuer, Claims: link.Claims,
		MatchedBy: append([]string{}, matchedBy(link.Account)...), LiveTokens: shown.tokens,
		Audit: operator.AuditRecords(shown.records)}
	if !link.CheckedAt.IsZero() {
		object.CheckedAt = &link.CheckedAt
	}
	if link.AlexaUser != "" {
		object.TiedAt = &link.TiedAt
	}
	return printJSON(w, object)
}
