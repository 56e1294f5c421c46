// Command alexa-oidc-bridge links Alexa skills to a company's OpenID Connect sign-in.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/cmd/alexa-oidc-bridge/internal/process"
	"alexa-oidc-bridge/config"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	if err := process.Harden(); err != nil {
		fmt.Fprintf(os.Stderr, "alexa-oidc-bridge: warning: %v\n", err)
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run executes one command line and returns its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteC()
	if err == nil {
		return exitDone
	}
	failed, ok := errors.AsType[*failure](err)
	if !ok { // an error of cobra: an unknown command or flag, or wrong arguments
		failed = &failure{exitUsage, err, "see " + cmd.CommandPath() + " --help"}
	}
	fmt.Fprintf(stderr, "alexa-oidc-bridge: %v\n", failed.what)
	if failed.hint != "" {
		fmt.Fprintf(stderr, "  %s\n", failed.hint)
	}
	return failed.code
}

// failure is the error of a command.
type failure struct {
	code int    // the exit code
	what error  // what went wrong
	hint string // what to do; empty: the error says it
}

func (f *failure) Error() string { return f.what.Error() }
func (f *failure) Unwrap() error { return f.what }

func failed(what error, hint string) error { return &failure{exitFailed, what, hint} }
func misused(what, hint string) error      { return &failure{exitUsage, errors.New(what), hint} }

// badConfig returns the error for a configuration with problems. Each is on a line of its own and says what to do.
func badConfig(path string, err error) error {
	text := strings.ReplaceAll(err.Error(), "\n", "\n  ")
	return &failure{exitUsage, fmt.Errorf("the configuration %s cannot be used:\n  %s", path, text), ""}
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "alexa-oidc-bridge",
		Short: "Link Alexa skills to your company's OpenID Connect sign-in",
		Long: `alexa-oidc-bridge is the OAuth 2.0 authorization server that an Alexa skill needs for account linking, in
front of the OpenID Provider that your company already has. It is configured by one YAML file.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().String("config", "", "the configuration `file` (default $BRIDGE_CONFIG, or config.yaml)")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(serveCommand(), checkCommand(), tryCommand(), skillCommand(), secretCommand(), versionCommand(),
		healthCommand(), linksCommand(), auditCommand(), backupCommand(), keysCommand(), simulateCommand())
	return root
}

// configPath returns the path of the configuration file.
func configPath(cmd *cobra.Command) string {
	path, _ := cmd.Flags().GetString("config")
	return cmp.Or(path, os.Getenv("BRIDGE_CONFIG"), "config.yaml")
}

func loadConfig(cmd *cobra.Command) (*config.Config, []config.Warning, error) {
	path := configPath(cmd)
	loaded, warnings, err := config.Load(path)
	if err != nil {
		return nil, nil, badConfig(path, err)
	}
	return loaded, warnings, nil
}

func secretCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "secret",
		Short: "Print 32 random bytes, for use as a key or a secret",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), keys.Generate())
			return err
		},
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), versionText())
			return err
		},
	}
}

// revision is the commit if the linker set it (-X main.revision=…), as for an image, which is built without .git.
var revision string

// versionText returns the version, the commit and the Go version that were recorded at build time.
func versionText() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "alexa-oidc-bridge (unknown)"
	}
	commit := revision
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			commit = setting.Value
		}
	}
	return strings.Join(strings.Fields("alexa-oidc-bridge "+info.Main.Version+" "+commit+" "+info.GoVersion), " ")
}
