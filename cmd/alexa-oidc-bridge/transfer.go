package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/transfer"
)

func linksExportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "export [FILE]",
		Short: "Write all links into a file, to move them to another database",
		Long: `export writes every link with its tokens and codes, live or revoked, into a new file that only its owner can
read, or to standard output, and the tombstones of links that were erased: their ids, and when they ended. The links
are as they were at one moment. Servers may run, but what they write later is not in the file: stop them before you
move to another database. Tokens are hashes, as in the database, so that nobody can use them; but the file holds
personal data. Sign-ins that wait for a decision, for 10 minutes at most, are not exported.

The file has one line of JSON for each tombstone, then one for each link, followed by one for each of its tokens and
codes, between a header and the numbers of all. Times are seconds since 1970, 0 for never:

  {"format":"alexa-oidc-bridge links","version":3,"exported_at":1800000000}
  {"tombstone":{"link_id":"lnk_7c2qvw5e3n6m4k2jaaaaaaaaaa","ended_at":1790000000}}
  {"link":{"link_id":"lnk_4ghm3yq7d2c5v6x7y2aaaaaaaa","client_id":"pizza", ... }}
  {"token":{"link_id":"lnk_4ghm3yq7d2c5v6x7y2aaaaaaaa","hash":"9f86d0..", ... }}
  {"links":1,"tokens":1,"codes":0,"tombstones":1}`,
		Example: `  alexa-oidc-bridge links export links.jsonl
  alexa-oidc-bridge links export | gzip > links.jsonl.gz`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			toFile := len(args) == 1 && args[0] != "-"
			if !toFile && isDevice(cmd.OutOrStdout()) {
				return &failure{exitUsage, errors.New("standard output is a terminal, and the output would be personal data"),
					"name a file, or send the output to a file or another program"}
			}
			store, err := openConfigured(cmd)
			if err != nil {
				return err
			}
			if toFile {
				err = exportToFile(cmd, store, args[0])
			} else if _, err = transfer.Write(cmd.OutOrStdout(), store.Export(cmd.Context()), time.Now()); err != nil {
				err = failed(err, "the output is not complete; run the command again")
			}
			return closeAfter(store, err)
		},
	}
}

// isDevice reports whether the output is a terminal, or a device like one.
func isDevice(out io.Writer) bool {
	file, isFile := out.(*os.File)
	if !isFile {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func exportToFile(cmd *cobra.Command, store *sqlstore.Store, path string) error {
	var exported transfer.Counts
	err := createFile(cmd, path, func(ctx context.Context, temporary string) error {
		file, err := os.OpenFile(temporary, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		exported, err = transfer.Write(file, store.Export(ctx), time.Now())
		return errors.Join(err, file.Close())
	})
	if err == nil {
		fmt.Fprintln(cmd.OutOrStdout(), "links exported:", exported.Links)
	}
	return err
}

func linksImportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE",
		Short: "Add the links of a file that links export wrote",
		Long: `import adds every link that the database does not have, live or revoked, with its tokens and codes. A link
that the database has is not changed, with one exception: if it is live there and revoked in the file, it is revoked
for the reason in the file. So no link that is revoked on either side becomes live, and importing the same file again
changes nothing.

A link that was erased, there or in the file, as its tombstone says, is not added. If the database has it, it is
revoked for the reason "erased", and erased. "links erased" counts both. So an old export brings back nothing, and it
does not matter which file is imported first.

Stop the servers before you move to another database, export, import, and start them on the new one. Importing while
servers run on the database harms nothing, but they may wait for it to write.

A file is checked to its last line before anything is imported. Standard input (FILE is -) is imported as it comes, up
to the first line that is wrong. An import that was interrupted is completed by running it again.

The database must exist, with the schema of this program: start serve on it once.`,
		Example: `  alexa-oidc-bridge links import links.jsonl --config new.yaml
  gunzip < links.jsonl.gz | alexa-oidc-bridge links import -`,
		Args: cobra.ExactArgs(1),
		// A signal may end it at any time: every transaction has whole links.
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
		return importRows(cmd, store, transfer.Read(cmd.InOrStdin()))
	}
	file, err := os.Open(name)
	if err != nil {
		return failed(err, "name a file that links export wrote, or - for standard input")
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		for _, err := range transfer.Read(file) { // to its end first, so that a bad file changes nothing
			if err != nil {
				return failed(err, "nothing was imported; export the links again")
			}
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return failed(err, "import it from standard input")
		}
	}
	return importRows(cmd, store, transfer.Read(file))
}

func importRows(cmd *cobra.Command, store *sqlstore.Store, rows iter.Seq2[transfer.Row, error]) error {
	did, err := store.Import(cmd.Context(), rows, time.Now)
	fmt.Fprintf(cmd.OutOrStdout(), "links added: %d\nlinks revoked: %d\nlinks there before: %d\nlinks erased: %d\n",
		did.Added, did.Revoked, did.Known, did.Erased)
	if err == nil {
		return nil
	}
	if line, ok := errors.AsType[*transfer.LineError](err); ok {
		return failed(line, "no link from that line on was imported; export the links again, and import the whole file")
	}
	if row, ok := errors.AsType[*sqlstore.RowError](err); ok {
		// Row 1 is in line 2, after the header.
		return failed(fmt.Errorf("line %d: %s: %w", row.Row+1, row.LinkID, row.Err),
			"no link from there on was imported; check that this is the right database")
	}
	return failed(err, "check that the database can be written and is not locked by another program, "+
		"and run the command again to complete it")
}
