package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/operator"
	"alexa-oidc-bridge/bridge/sqlstore"
)

func linksListCommand() *cobra.Command {
	var args linkFlags
	var asJSON bool
	list := &cobra.Command{
		Use:   "list",
		Short: "List links, oldest first",
		Example: `  alexa-oidc-bridge links list --skill pizza --live --unused-for 90d
  alexa-oidc-bridge links list --email ada@contoso.com --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := args.selected(time.Now())
			if err := errors.Join(checkNotEmpty(cmd, linkFlagNames...), err); err != nil {
				return err
			}
			if filter.Limit < 0 {
				return misused("--limit is negative", "set a number of links, or 0 for all")
			}
			return withStore(cmd, func(store *sqlstore.Store) error {
				if !asJSON {
					table := newLinkTable(cmd.OutOrStdout())
					if err := eachPage(cmd.Context(), store, filter, table.add); err != nil {
						return err
					}
					return table.add(nil) // for the header
				}
				array := jsonArray{w: bufio.NewWriter(cmd.OutOrStdout())}
				if err := eachPage(cmd.Context(), store, filter, array.add); err != nil {
					return err
				}
				return array.end()
			})
		},
	}
	addLinkFlags(list, &args)
	list.Flags().BoolVar(&args.filter.Live, "live", false, "leave out links that were revoked")
	list.Flags().IntVar(&args.filter.Limit, "limit", 0, "at most this `number` of links, the oldest; 0: all")
	list.Flags().BoolVar(&asJSON, "json", false, "print an array of objects")
	return list
}

// jsonArray writes an array of links, a page at a time.
type jsonArray struct {
	w     *bufio.Writer
	count int
}

func (a *jsonArray) add(links []bridge.Link) error {
	for _, link := range operator.Links(links) {
		text, err := json.MarshalIndent(link, "  ", "  ")
		if err != nil {
			return err
		}
		separator := ",\n  "
		if a.count == 0 {
			separator = "[\n  "
		}
		a.count++
		if _, err := a.w.WriteString(separator + string(operator.ASCII(text))); err != nil {
			return err
		}
	}
	return nil
}

func (a *jsonArray) end() error {
	end := "\n]\n"
	if a.count == 0 {
		end = "[]\n"
	}
	if _, err := a.w.WriteString(end); err != nil {
		return err
	}
	return a.w.Flush()
}

// linkTable prints links, a page at a time. Each page has columns of its own widths.
type linkTable struct {
	table *tabwriter.Writer
	begun bool
}

func newLinkTable(w io.Writer) *linkTable { return &linkTable{table: newTable(w)} }

func (t *linkTable) add(links []bridge.Link) error {
	if !t.begun {
		fmt.Fprintln(t.table, "LINK\tSKILL\tGRANT\tPROVIDER\tSUBJECT\tPERSON\tCREATED\tLAST USED\tREVOKED")
		t.begun = true
	}
	for i := range links {
		link := &links[i]
		printRow(t.table, []string{link.ID, link.ClientID, grantOf(link), link.Provider.ID, link.Subject,
			personOf(link), minute(link.CreatedAt), minute(link.LastUsedAt), endOf(link, minute)})
	}
	return t.table.Flush()
}

// grantOf returns how a link was made.
func grantOf(link *bridge.Link) string {
	if link.IsTest() {
		return "test link"
	}
	return string(link.Grant)
}

// personOf returns by which claim a person is known, if one is kept.
func personOf(link *bridge.Link) string {
	return shortened(cmp.Or(link.Claims.String(bridge.ClaimEmail), link.Claims.DisplayName()))
}

// endOf returns when, why and by whom a link was revoked.
func endOf(link *bridge.Link, format func(time.Time) string) string {
	if !link.Revoked() {
		return ""
	}
	end := format(link.RevokedAt) + ", " + string(link.Reason)
	if link.Actor != "" {
		end += ", by " + string(link.Actor)
	}
	return end
}
