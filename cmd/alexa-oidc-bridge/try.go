package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/config"
)

func tryCommand() *cobra.Command {
	var clientID string
	try := &cobra.Command{
		Use:   "try",
		Short: "Print a URL for a test sign-in, which makes no link",
		Long: `try prints a URL that works once, in one browser, for 10 minutes, while serve runs. It leads through the
provider's sign-in and then shows the claims that came, what a link would keep, and what allow says, rule by rule.
Nothing is linked.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, _, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			skill, err := skillToTry(loaded, clientID)
			if err != nil {
				return err
			}
			secret, err := createTicket(cmd, loaded, skill)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), loaded.Server.PublicURL+"/try/"+secret)
			return nil
		},
	}
	try.Flags().StringVar(&clientID, "skill", "", "the `client_id` of the skill (default: the only one)")
	return try
}

func skillToTry(loaded *config.Config, clientID string) (*bridge.Skill, error) {
	skills := loaded.Server.Skills
	if clientID == "" && len(skills) == 1 {
		return skills[0], nil
	}
	for _, skill := range skills {
		if skill.ClientID == clientID {
			return skill, nil
		}
	}
	if clientID == "" {
		return nil, misused("there are several skills", "name one by --skill")
	}
	return nil, misused("no skill has this client id", "use the client_id of a skill in the configuration")
}

// createTicket stores a ticket and returns its secret, of which the store has only the hash.
func createTicket(cmd *cobra.Command, loaded *config.Config, skill *bridge.Skill) (secret string, err error) {
	store, err := openStore(cmd, loaded.Storage)
	if err != nil {
		return "", err
	}
	content, err := json.Marshal(bridge.Ticket{ClientID: skill.ClientID})
	if err != nil {
		return "", closeAfter(store, err)
	}
	secret = bridge.NewTicketSecret()
	handle := bridge.HashOf(secret)
	err = store.CreatePendingConsent(cmd.Context(), bridge.PendingConsent{
		Handle:    handle,
		Sealed:    loaded.Server.Keys.Seal(bridge.TicketPurpose, content, []byte(handle)),
		ExpiresAt: time.Now().Add(bridge.TicketLifetime),
	})
	if err != nil {
		err = failed(err, "check that the database can be written and is not locked by another program")
	}
	return secret, closeAfter(store, err)
}
