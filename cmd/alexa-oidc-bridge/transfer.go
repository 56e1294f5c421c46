package main

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge/sqlstore"
)

func linksExportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "export [FILE]",
		Short: "Write all links into a file, to move them to another database",
		Long: `export writes every link with its tokens and codes, live or ended, into a new file that only its owner can read, or to
standard output. The links are as they were at one moment; servers go on writing meanwhile. Tokens are hashes, as in the
database, so that nobody can use them; but the file holds personal data. Sign-ins that wait for a decision, for 10 minutes
at most, are no part of it.

The file has one line of JSON for each link, between a first line with its format and version and a last one with the
number of links. Times are seconds since 1970, 0 for never:

  {"format":"alexa-oidc-bridge links","version":1,"exported_at":1800000000}
  {"link_id":"lnk_4ghm3yq7d2c5v6x7y2aaaaaaaa","client_id":"pizza", ... ,"tokens":[{"hash":"9f86d0..", ... }],"codes":[]}
  {"links":1}`,
		Example: `  alexa-oidc-bridge links export links.jsonl
  alexa-oidc-bridge links export | gzip > links.jsonl.gz`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			toFile := len(args) == 1 && args[0] != "-"
			if !toFile && isDevice(cmd.OutOrStdout()) {
				return &failure{exitUsage, errors.New("standard output is a terminal, and what would be written is personal data"),
					"name a file, or send the output to a file or another program"}
			}
			store, err := openConfigured(cmd)
			if err != nil {
				return err
			}
			if toFile {
				err = exportToFile(cmd, store, args[0])
			} else if _, err = sqlstore.WriteRecords(cmd.OutOrStdout(), store.Export(cmd.Context()), time.Now()); err != nil {
				err = failed(err, "what was written is not complete; run it again")
			}
			return closeAfter(store, err)
		},
	}
}

// isDevice says whether something is a terminal, or a device like one.
func isDevice(out io.Writer) bool {
	file, isFile := out.(*os.File)
	if !isFile {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func exportToFile(cmd *cobra.Command, store *sqlstore.Store, path string) error {
	ctx, stop := untilStopped(cmd)
	defer stop()
	var links int
	err := makeFile(path, func(temporary string) error {
		file, err := os.OpenFile(temporary, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		links, err = sqlstore.WriteRecords(file, store.Export(ctx), time.Now())
		return errors.Join(err, file.Close())
	})
	if err != nil {
		return notMade(ctx, path, err)
	}
	fmt.Fprintln(cmd.OutOrStdout(), "links exported:", links)
	return nil
}

// openConfigured opens the database of the configuration.
func openConfigured(cmd *cobra.Command) (*sqlstore.Store, error) {
	storage, err := loadStorage(cmd)
	if err != nil {
		return nil, err
	}
	return openStore(cmd.Context(), storage)
}

func closeAfter(store *sqlstore.Store, err error) error {
	if closeErr := store.Close(); err == nil && closeErr != nil {
		return failed(closeErr, "check that the disk is not full")
	}
	return err
}

func linksImportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE",
		Short: "Add the links of a file that links export wrote",
		Long: `import adds every link that the database does not know, live or ended, with everything it owns. A link that the database
knows is not changed, with one exception: if it lives there and has ended in the file, it is ended, for the reason in
the file. So no link lives again that has ended in either place, and importing the same file again changes nothing.
Servers may run meanwhile.

A file is checked to its last line before anything is imported. Standard input (FILE is -) is imported as it comes, up to
the first line that is wrong. An import that was interrupted is completed by doing it again.

The database must be there, with the schema of this program: start serve on it once.`,
		Example: `  alexa-oidc-bridge links import links.jsonl --config new.yaml
  gunzip < links.jsonl.gz | alexa-oidc-bridge links import -`,
		Args: cobra.ExactArgs(1),
		// A signal ends it wherever it is: every transaction has whole links.
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := openConfigured(cmd)
			if err != nil {
				return err
			}
			return closeAfter(store, importFrom(cmd, store, args[0]))
		},
	}
}

func importFrom(cmd *cobra.Command, store *sqlstore.Store, name string) error {
	if name == "-" {
		return importRecords(cmd, store, sqlstore.ReadRecords(cmd.InOrStdin()))
	}
	file, err := os.Open(name)
	if err != nil {
		return failed(err, "name a file that links export wrote, or - for standard input")
	}
	defer file.Close()
	if err := checkRecords(file); err != nil {
		return err
	}
	return importRecords(cmd, store, sqlstore.ReadRecords(file))
}

// checkRecords reads a file to its end and back, if that is possible, so that a bad one changes nothing.
func checkRecords(file *os.File) error {
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	for _, err := range sqlstore.ReadRecords(file) {
		if err != nil {
			return failed(err, "nothing was imported; export the links again")
		}
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return failed(err, "import it from standard input")
	}
	return nil
}

func importRecords(cmd *cobra.Command, store *sqlstore.Store, records iter.Seq2[sqlstore.Record, error]) error {
	did, err := store.Import(cmd.Context(), records, time.Now)
	fmt.Fprintf(cmd.OutOrStdout(), "links added: %d\nlinks ended: %d\nlinks there before: %d\n", did.Added, did.Ended, did.Known)
	var line *sqlstore.LineError
	var record *sqlstore.RecordError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &line):
		return failed(err, "nothing from that line on was imported; export the links again, and import the whole file")
	case errors.As(err, &record):
		// The first line of the file is no record.
		return failed(fmt.Errorf("line %d: %s: %w", record.Number+1, record.LinkID, record.Err),
			"nothing from that line on was imported; is this the right database?")
	}
	return failed(err, "check that the database can be written and is not locked by another program; then run it again, to complete it")
}
