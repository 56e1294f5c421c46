package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/operator"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/upstream"
)

// auditArgs are the flags of audit.
type auditArgs struct {
	filter                   bridge.AuditFilter
	ref, event, since, until string
	asJSON                   bool
}

func auditCommand() *cobra.Command {
	var args auditArgs
	audit := &cobra.Command{
		Use:   "audit",
		Short: "Show who linked, who was refused, and which links ended, newest last",
		Long: `audit shows the records of the audit log that match every given flag, the newest last: who linked which
skill, who was refused, which codes were redeemed, and which links ended, with the reason and who did it. It works on
the database directly, also while servers run, and reads only the storage section of the configuration.

--ref takes the reference that a person reads from an error page. A time is a duration before now such as 24h, a day
such as 2026-11-29, which begins and ends in UTC, or a time such as 2026-11-29T09:30:00Z.`,
		Example: `  alexa-oidc-bridge audit --ref K7QF2M9D
  alexa-oidc-bridge audit --skill pizza --event refused --since 24h
  alexa-oidc-bridge audit --link lnk_4ghm3yq7d2c5v6x7y2aaaaaaaa --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := checkNotEmpty(cmd, "ref", "link", "subject", "skill", "provider", "event", "since", "until")
			if err := errors.Join(err, args.parse(time.Now())); err != nil {
				return err
			}
			return showAudit(cmd, args)
		},
	}
	flags := audit.Flags()
	flags.StringVar(&args.ref, "ref", "", "only the request with this `reference`, as an error page shows it")
	flags.StringVar(&args.filter.LinkID, "link", "", "only the link with this `link_id`")
	flags.StringVar(&args.filter.Subject, "subject", "", "only this `subject` at the provider")
	flags.StringVar(&args.filter.ClientID, "skill", "", "only the skill with this `client_id`")
	flags.StringVar(&args.filter.Provider, "provider", "", "only the provider with this `id`")
	flags.StringVar(&args.event, "event", "", "only this `event`: "+eventNames())
	flags.StringVar(&args.since, "since", "", "only at this `time` or later")
	flags.StringVar(&args.until, "until", "", "only up to this `time`, a day until it ends")
	flags.IntVar(&args.filter.Limit, "limit", 100, "the newest `number` of records; 0: all")
	flags.BoolVar(&args.asJSON, "json", false, "print an array of objects")
	return audit
}

func eventNames() string {
	var names []string
	for _, event := range bridge.AuditEvents() {
		names = append(names, string(event))
	}
	return strings.Join(names, ", ")
}

// checkNotEmpty rejects an empty flag, such as that of a variable that is not set: every record, or link, would match.
func checkNotEmpty(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if flag := cmd.Flag(name); flag.Changed && flag.Value.String() == "" {
			return misused("--"+name+" is empty", "set a value, or leave the flag out")
		}
	}
	return nil
}

// parse checks the flags, and puts them into the filter.
func (a *auditArgs) parse(now time.Time) (err error) {
	ref, isReference := operator.ParseReference(a.ref)
	a.filter.Ref, a.filter.Event = ref, bridge.AuditEvent(a.event)
	switch {
	case a.ref != "" && !isReference:
		return misused("--ref is not a reference", "give the eight characters that the page shows, such as K7QF2M9D; "+
			"none of them is I, O, 0 or 1")
	case a.event != "" && !slices.Contains(bridge.AuditEvents(), a.filter.Event):
		return misused("--event is not the name of an event", "use one of "+eventNames())
	case a.filter.Limit < 0:
		return misused("--limit is negative", "set a number of records, or 0 for all")
	}
	if a.filter.Since, _, err = parseTime("since", a.since, now); err != nil {
		return err
	}
	_, a.filter.Until, err = parseTime("until", a.until, now)
	return err
}

// parseTime returns where the time that a flag names begins, and where it ends; see [operator.ParseTime]. Both are zero
// if the flag is empty.
func parseTime(flag, text string, now time.Time) (begin, end time.Time, err error) {
	if text == "" {
		return time.Time{}, time.Time{}, nil
	}
	begin, end, ok := operator.ParseTime(text, now)
	if !ok {
		err = misused("--"+flag+" is not a time",
			"use a duration before now such as 24h, a day such as 2026-11-29, or a time such as 2026-11-29T09:30:00Z")
	}
	return begin, end, err
}

func showAudit(cmd *cobra.Command, args auditArgs) error {
	limit := args.filter.Limit
	if limit > 0 {
		args.filter.Limit++ // to learn whether there are more
	}
	var records []bridge.AuditRecord
	err := withStore(cmd, func(store *sqlstore.Store) (err error) {
		records, err = store.Audit(cmd.Context(), args.filter)
		return err
	})
	if err != nil {
		return err
	}
	more := limit > 0 && len(records) > limit
	if more {
		records = records[len(records)-limit:]
	}
	print := printAudit
	if args.asJSON {
		print = printAuditJSON
	}
	if err := print(cmd.OutOrStdout(), records); err != nil {
		return err
	}
	switch {
	case more:
		fmt.Fprintf(cmd.ErrOrStderr(), "there are older records: these are the newest %d; see --limit and --until\n", limit)
	case len(records) == 0:
		fmt.Fprintln(cmd.ErrOrStderr(), args.whyNone())
	}
	return nil
}

// whyNone says why no record may match.
func (a auditArgs) whyNone() string {
	if a.ref != "" {
		return "no record matches --ref " + upstream.LogText(a.filter.Ref) + `
  look for it as ref in the log of the servers: not every page is about an event. Records are removed after
  audit_retention, nothing was recorded before this version, and of many refusals within a minute only some are`
	}
	return `no record matches
  leave out a flag. Records are removed after audit_retention, nothing was recorded before this version, and links
  forget erases subjects`
}

func printAuditJSON(w io.Writer, records []bridge.AuditRecord) error {
	return printJSON(w, operator.AuditRecords(records))
}

func printAudit(w io.Writer, records []bridge.AuditRecord) error {
	table := newTable(w)
	fmt.Fprintln(table, "TIME\tEVENT\tREASON\tACTOR\tSKILL\tPROVIDER\tLINK\tSUBJECT\tREF\tADDRESS")
	for _, r := range records {
		printRow(table, []string{r.At.UTC().Format(time.RFC3339), string(r.Event), string(r.Reason), string(r.Actor),
			r.ClientID, r.Provider, r.LinkID, r.Subject, r.Ref, r.Address})
	}
	return table.Flush()
}
