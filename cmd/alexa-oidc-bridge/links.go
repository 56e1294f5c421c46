package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf16"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/upstream"
)

func linksCommand() *cobra.Command {
	links := &cobra.Command{
		Use:   "links",
		Short: "List, revoke and move links",
		Long: `links works on the database directly, also while servers run. It reads only the storage section of the
configuration, so that links can be revoked in an emergency whatever else is wrong.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	links.AddCommand(linksListCommand(), linksRevokeCommand(), linksExportCommand(), linksImportCommand())
	return links
}

func linksListCommand() *cobra.Command {
	var filter bridge.LinkFilter
	var asJSON bool
	list := &cobra.Command{
		Use:   "list",
		Short: "List links, oldest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkGrant(filter.Grant); err != nil {
				return err
			}
			var links []bridge.Link
			err := withStore(cmd, func(store *sqlstore.Store) (err error) {
				links, err = store.Links(cmd.Context(), filter)
				return err
			})
			if err != nil {
				return err
			}
			if asJSON {
				return printLinksJSON(cmd.OutOrStdout(), links)
			}
			return printLinks(cmd.OutOrStdout(), links)
		},
	}
	addLinkFilter(list, &filter)
	list.Flags().BoolVar(&filter.Live, "live", false, "leave out links that were revoked")
	list.Flags().BoolVar(&asJSON, "json", false, "print an array of objects")
	return list
}

func linksRevokeCommand() *cobra.Command {
	var filter bridge.LinkFilter
	var reason, actor string
	revoke := &cobra.Command{
		Use:   "revoke [link_id ...]",
		Short: "Revoke links by id, or all that match the flags",
		Long: `revoke revokes the links with the given ids, or all live links that match every given flag. Every server that
reaches this database treats their tokens as inactive within a second. If some ids are unknown, the other links are
revoked and the exit code is 1.`,
		Example: `  alexa-oidc-bridge links revoke lnk_4ghm3yq7d2c5v6x7y2aaaaaaaa
  alexa-oidc-bridge links revoke --provider corp --subject 8a7f5c31 --reason "left the company"`,
		RunE: func(cmd *cobra.Command, ids []string) error {
			filter.IDs = ids
			if !cmd.Flags().Changed("actor") {
				actor = commandActor()
			}
			if err := errors.Join(checkGrant(filter.Grant), checkRevoke(cmd, filter, reason), checkActor(actor)); err != nil {
				return err
			}
			var revoked, matching []bridge.Link // matching: live or revoked
			err := withStore(cmd, func(store *sqlstore.Store) (err error) {
				by := bridge.Revocation{Reason: bridge.Reason(reason), Actor: bridge.Actor(actor), At: time.Now()}
				if revoked, err = store.Revoke(cmd.Context(), filter, by); err == nil {
					matching, err = store.Links(cmd.Context(), filter)
				}
				return err
			})
			for _, link := range revoked { // also after an error
				fmt.Fprintln(cmd.OutOrStdout(), "revoked", link.ID)
			}
			if err != nil {
				return err
			}
			return reportRevoked(cmd, ids, revoked, matching)
		},
	}
	addLinkFilter(revoke, &filter)
	revoke.Flags().StringVar(&reason, "reason", string(bridge.ReasonOperator), "the `reason`, stored with the links")
	revoke.Flags().StringVar(&actor, "actor", "", "who revokes, a `name` in printable ASCII, stored with the links (default command:USER@HOST)")
	return revoke
}

var reasonPattern = regexp.MustCompile(`^[ -~]{1,200}$`)

// checkRevoke rejects arguments that would revoke links by accident.
func checkRevoke(cmd *cobra.Command, filter bridge.LinkFilter, reason string) error {
	byFlags := false
	for _, name := range []string{"skill", "subject", "email", "provider", "grant"} {
		value, _ := cmd.Flags().GetString(name)
		byFlags = byFlags || value != ""
		if cmd.Flags().Changed(name) && value == "" {
			return misused("--"+name+" is empty", "set a value; an empty one would match every link")
		}
	}
	switch {
	case !byFlags && len(filter.IDs) == 0:
		return misused("no links are named", "give link ids, or --skill, --subject, --email, --provider or --grant")
	case byFlags && len(filter.IDs) > 0:
		return misused("link ids and flags are given", "give link ids or flags, not both")
	case slices.Contains(filter.IDs, ""):
		return misused("an empty link id is given", "see links list for the ids")
	case !reasonPattern.MatchString(reason):
		return misused("the reason cannot be kept", "use 1 to 200 printable ASCII characters")
	}
	return nil
}

// commandActor returns who runs the command, as an actor.
func commandActor() string {
	name, host := "unknown", "unknown"
	if who, err := user.Current(); err == nil {
		name = who.Username
	}
	if known, err := os.Hostname(); err == nil {
		host = known
	}
	actor := upstream.LogText("command:" + name + "@" + host)
	return actor[:min(len(actor), bridge.MaxActor)]
}

var reservedActor = regexp.MustCompile(`(?i)^\s*(system|person|skill|backend|provider|api)\b`)

// checkActor rejects an actor that cannot be stored, and one that would be taken for somebody else than an operator.
func checkActor(actor string) error {
	if !reasonPattern.MatchString(actor) {
		return misused("the actor cannot be kept", "use 1 to 200 printable ASCII characters")
	}
	if reservedActor.MatchString(actor) {
		return misused("the actor is not an operator", "use a name that does not begin with system, person, skill, backend, provider or api")
	}
	return nil
}

// reportRevoked reports how many links were revoked by flags, or which ids were already revoked or are unknown.
func reportRevoked(cmd *cobra.Command, ids []string, revoked, matching []bridge.Link) error {
	if len(ids) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "links revoked:", len(revoked))
		if len(matching) == 0 {
			return failed(errors.New("no link matches, live or revoked"),
				"see links list; --email finds only links whose skill keeps the email claim")
		}
		return nil
	}
	has := func(links []bridge.Link, id string) bool {
		return slices.ContainsFunc(links, func(link bridge.Link) bool { return link.ID == id })
	}
	unknown := 0
	for _, id := range ids {
		switch {
		case has(revoked, id):
		case has(matching, id):
			fmt.Fprintln(cmd.OutOrStdout(), "already revoked", id)
		default:
			unknown++
			fmt.Fprintln(cmd.ErrOrStderr(), "unknown", upstream.LogText(id))
		}
	}
	if unknown > 0 {
		return failed(fmt.Errorf("%d of %d links are unknown", unknown, len(ids)),
			"see links list for the ids, and check that storage.dsn is the right database")
	}
	return nil
}

func addLinkFilter(cmd *cobra.Command, filter *bridge.LinkFilter) {
	flags := cmd.Flags()
	flags.StringVar(&filter.ClientID, "skill", "", "only links of the skill with this `client_id`")
	flags.StringVar(&filter.Subject, "subject", "", "only links of this `subject` at the provider")
	flags.StringVar(&filter.Email, "email", "",
		"only links with this e-mail `address`, if the skill keeps the email claim")
	flags.StringVar(&filter.Provider, "provider", "", "only links of the provider with this `id`")
	flags.StringVar((*string)(&filter.Grant), "grant", "", "only links of this `grant`: implicit or authorization_code")
}

// checkGrant rejects an unknown grant, which would silently match no link.
func checkGrant(grant bridge.Grant) error {
	switch grant {
	case "", bridge.GrantImplicit, bridge.GrantAuthorizationCode:
		return nil
	}
	return misused("--grant is not the name of a grant", "use implicit or authorization_code")
}

// withStore calls a function with the database of the configuration.
func withStore(cmd *cobra.Command, do func(*sqlstore.Store) error) error {
	store, err := openConfigured(cmd)
	if err != nil {
		return err
	}
	if err := errors.Join(do(store), store.Close()); err != nil {
		return failed(err, "check that the database can be written and is not locked by another program")
	}
	return nil
}

// linkJSON is one link in the output of links list --json.
type linkJSON struct {
	LinkID     string     `json:"link_id"`
	ClientID   string     `json:"client_id"`
	Provider   string     `json:"provider"`
	Subject    string     `json:"sub"`
	Name       string     `json:"name"`  // empty: not kept with the link
	Email      string     `json:"email"` // empty: not kept with the link
	Grant      string     `json:"grant"`
	Scope      string     `json:"scope"`
	CreatedAt  *time.Time `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"` // null: never
	RevokedAt  *time.Time `json:"revoked_at"`   // null: live
	Reason     string     `json:"reason"`
	Actor      string     `json:"actor"` // empty: live, or revoked before actors were recorded
}

func printLinksJSON(w io.Writer, links []bridge.Link) error {
	list := make([]linkJSON, len(links))
	for i, link := range links {
		list[i] = linkJSON{link.ID, link.ClientID, link.Provider.ID, link.Subject, link.Claims.DisplayName(),
			link.Claims.String(bridge.ClaimEmail), string(link.Grant), link.Scope,
			orNull(link.CreatedAt), orNull(link.LastUsedAt), orNull(link.RevokedAt), string(link.Reason), string(link.Actor)}
	}
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, asciiJSON(string(text)))
	return err
}

// asciiJSON escapes all characters beyond ASCII in a JSON text, so that none can control a terminal.
func asciiJSON(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r <= '~':
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		}
	}
	return b.String()
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func printLinks(w io.Writer, links []bridge.Link) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "LINK\tSKILL\tGRANT\tPROVIDER\tSUBJECT\tPERSON\tCREATED\tLAST USED\tREVOKED")
	for _, link := range links {
		revoked := minute(link.RevokedAt)
		if link.Revoked() {
			revoked += ", " + upstream.LogText(string(link.Reason))
			if link.Actor != "" {
				revoked += ", by " + upstream.LogText(string(link.Actor))
			}
		}
		person := shortened(cmp.Or(link.Claims.String(bridge.ClaimEmail), link.Claims.DisplayName(), "-"))
		// Most of it can be untrusted text, of a person or an import, which could control the terminal.
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", link.ID, upstream.LogText(link.ClientID), link.Grant,
			upstream.LogText(link.Provider.ID),
			upstream.LogText(link.Subject), upstream.LogText(person), minute(link.CreatedAt), minute(link.LastUsedAt), revoked)
	}
	return table.Flush()
}

// shortened keeps the beginning of a text that would make a row of the table too long.
func shortened(text string) string {
	const longest = 40
	if len(text) > longest {
		return text[:longest-3] + "..."
	}
	return text
}

func minute(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}
