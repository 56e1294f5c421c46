package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge/operator"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/upstream"
)

func linksCommand() *cobra.Command {
	links := &cobra.Command{
		Use:   "links",
		Short: "List, show, revoke, forget, move and check links, and make test links",
		Long: `links works on the database directly, also while servers run. Except for mint and check-policy, it reads only
the storage section of the configuration, so that links can be revoked in an emergency whatever else is wrong.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	links.AddCommand(linksListCommand(), linksShowCommand(), linksRevokeCommand(), linksForgetCommand(),
		linksExportCommand(), linksImportCommand(), linksMintCommand(), linksCheckPolicyCommand())
	return links
}

// withStore calls a function with the database of the configuration.
func withStore(cmd *cobra.Command, do func(*sqlstore.Store) error) error {
	store, err := openConfigured(cmd)
	if err != nil {
		return err
	}
	err = errors.Join(do(store), store.Close())
	if _, known := errors.AsType[*failure](err); known {
		return err
	}
	if err != nil {
		return failed(err, "check that the database can be written and is not locked by another program")
	}
	return nil
}

func printJSON(w io.Writer, list any) error {
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, string(operator.ASCII(text)))
	return err
}

// printRow prints a row of a table, with - for what is empty. Any text of a database could control the terminal.
func printRow(table io.Writer, columns []string) {
	for i, column := range columns {
		columns[i] = cmp.Or(upstream.LogText(column), "-")
	}
	fmt.Fprintln(table, strings.Join(columns, "\t"))
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
