package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/config"
)

func keysCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "keys",
		Short: "Replace the keys that seal what is stored",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	group.AddCommand(keysRotateCommand())
	return group
}

func keysRotateCommand() *cobra.Command {
	var dryRun bool
	rotate := &cobra.Command{
		Use:   "rotate",
		Short: "Seal stored refresh tokens of providers by the newest key, so that an older one can be removed",
		Long: `rotate seals every refresh token of a provider, which a link keeps with offline: true, by the first key
of keys. It reads only storage and keys of the configuration, and works while servers run. A signal may end it at any
time; run it again.

Restart or reload every server with the newest key in front before: one that does not have it goes on sealing by the
older one. Cookies and sign-ins that wait for an answer are not sealed again, since they live for 10 minutes at most.
So an older key may be removed when rotate exits with 0, 10 minutes after the last server got the newest key in front.
Backups keep what older keys sealed: keep such a key as long as a backup that you may restore.

It prints how many it sealed again, how many the newest key had sealed already, how many none of the keys opens, and
how many are left under older keys. It exits with 0 if nothing is left, and otherwise with 1, also if there are tokens
that no key opens.`,
		Example: `  alexa-oidc-bridge keys rotate
  alexa-oidc-bridge keys rotate --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return rotateKeys(cmd, dryRun) },
	}
	rotate.Flags().BoolVar(&dryRun, "dry-run", false, "only count, and change nothing")
	return rotate
}

func rotateKeys(cmd *cobra.Command, dryRun bool) error {
	storage, ring, err := config.LoadKeys(configPath(cmd))
	if err != nil {
		return badConfig(configPath(cmd), err)
	}
	store, err := openStore(cmd, storage)
	if err != nil {
		return err
	}
	return closeAfter(store, rotateIn(cmd, store, ring, dryRun))
}

func rotateIn(cmd *cobra.Command, store *sqlstore.Store, ring *keys.Ring, dryRun bool) error {
	done, err := rotation{store, ring, dryRun}.run(cmd.Context())
	if err != nil {
		return failed(err, "check that the database can be written and is not locked by another program, "+
			"and run it again")
	}
	printRotated(cmd.OutOrStdout(), done)
	if err := done.failure(dryRun); err != nil {
		return err
	}
	now := time.Now().UTC() // cookies live as long as pending consents
	fmt.Fprintf(cmd.OutOrStdout(),
		"older keys may be removed after %s, if every server had the newest key in front before %s\n",
		now.Add(bridge.PendingConsentLifetime).Format(time.RFC3339), now.Format(time.RFC3339))
	return nil
}

// shownLinks is how many links are named whose token no key opens.
const shownLinks = 20

func printRotated(w io.Writer, done rotated) {
	fmt.Fprintf(w, "sealed again by the newest key: %d\n", done.resealed)
	fmt.Fprintf(w, "sealed by the newest key before: %d\n", done.newest)
	fmt.Fprintf(w, "opened by no key: %d\n", done.unopened)
	for _, linkID := range done.unopenedLinks {
		fmt.Fprintf(w, "  of link %s\n", linkID)
	}
	if more := done.unopened - len(done.unopenedLinks); more > 0 {
		fmt.Fprintf(w, "  and of %d more\n", more)
	}
	fmt.Fprintf(w, "left under older keys: %d\n", done.older)
}

// failure says why older keys may not be removed, or returns nil.
func (done rotated) failure(dryRun bool) error {
	const lost = "put the key that was removed back behind the others, and run it again; if it is lost, revoke these " +
		"links, so that people link again: their accounts are not checked"
	switch {
	case done.unopened > 0:
		return failed(fmt.Errorf("no key opens the refresh tokens of %d links", done.unopened), lost)
	case done.older > 0 && dryRun:
		return failed(errors.New("older keys are needed"), "run it without --dry-run")
	case done.older > 0:
		return failed(errors.New("a server seals by an older key while this runs"),
			"restart or reload every server with the newest key in front, and run it again")
	}
	return nil
}
