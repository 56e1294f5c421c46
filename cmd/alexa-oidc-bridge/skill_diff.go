package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/upstream"
)

func skillDiffCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "diff ID FILE",
		Short: "Compare the account linking settings of a skill with those at Amazon",
		Long: `diff compares the JSON that ` + "`ask smapi get-account-linking-info`" + ` prints, field by field, with what
the skill with this client_id needs. FILE - is standard input. Lists are compared without their order, and further
domains are permitted. Amazon never returns the client secret, so it cannot be compared.

The exit code is 0 if all fields are as they should be and 1 if one differs, even if that one does not matter.`,
		Example: `  ask smapi get-account-linking-info -s amzn1.ask.skill.… -g development > linking.json
  alexa-oidc-bridge skill diff pizza linking.json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, skill, err := loadSkill(cmd, args[0])
			if err != nil {
				return err
			}
			text, err := readSettings(cmd, args[1])
			if err != nil {
				return &failure{exitUsage, err, "name a file that can be read, or - for standard input"}
			}
			compared, err := consoleSkill(loaded.Server, skill).AccountLinking().Compare(text, skill.HasSecret)
			if err != nil {
				return &failure{exitUsage, err, "give what `ask smapi get-account-linking-info` prints"}
			}
			if err := printComparison(cmd.OutOrStdout(), compared); err != nil || compared.Equal() {
				return err
			}
			return differs(skill.ClientID, compared)
		},
	}
}

// maxSettings is more than account linking settings can have.
const maxSettings = 1 << 20

// readSettings reads a file, or standard input for "-".
func readSettings(cmd *cobra.Command, name string) ([]byte, error) {
	input := cmd.InOrStdin()
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		input = file
	}
	text, err := io.ReadAll(io.LimitReader(input, maxSettings+1))
	if err == nil && len(text) > maxSettings {
		err = errors.New("the input is larger than 1 MiB")
	}
	return text, err
}

func printComparison(w io.Writer, compared alexa.Comparison) error {
	table := newTable(w)
	fmt.Fprintln(table, "FIELD\tAT AMAZON\tSHOULD BE\tRESULT")
	for _, field := range compared.Fields {
		result := "equal"
		switch {
		case field.Equal:
		case field.Note != "":
			result = "different, does not matter: " + field.Note
		default:
			result = "different"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", field.Name, cmp.Or(upstream.LogText(field.Got), "(none)"),
			cmp.Or(field.Want, "(none)"), result)
	}
	if err := table.Flush(); err != nil || len(compared.NotCompared) == 0 {
		return err
	}
	_, err := fmt.Fprintln(w, "not compared:", upstream.LogText(strings.Join(compared.NotCompared, ", ")))
	return err
}

// differs returns the error for settings that are not all as they should be.
func differs(clientID string, compared alexa.Comparison) error {
	different, matter := 0, 0
	for _, field := range compared.Fields {
		if !field.Equal {
			different++
		}
		if !field.Equal && field.Note == "" {
			matter++
		}
	}
	return failed(fmt.Errorf("fields that differ: %d, of these matter: %d", different, matter),
		"correct them on the Account Linking page, or by what `skill show "+clientID+" --json --with-secret` prints")
}
