package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/upstream"
)

// mintArgs are the flags of links mint.
type mintArgs struct {
	clientID, subject, actor string
	claims                   []string // name=value
	lifetime                 time.Duration
}

func linksMintCommand() *cobra.Command {
	var args mintArgs
	mint := &cobra.Command{
		Use:   "mint",
		Short: "Make a test link, and print its access token",
		Long: `mint makes a link without Alexa and without a sign-in, for testing a skill. The person need not exist:
subject and claims are what you say, and allow is applied to them as to any others. The access token is the only
output on standard output.

A test link cannot be taken for a person: its upstream_iss is urn:alexa-oidc-bridge:test, and lookups say "test": true.
It lives for an hour, or --lifetime, at most 24h. The skill must have test_tokens: true in the configuration, here to
make the link and in that of the server for as long as the link is used. The other commands list, revoke and forget
test links as any others.

A claim that is given several times is a list; groups always is. email_verified=true is a boolean.`,
		Example: `  TOKEN=$(alexa-oidc-bridge links mint --skill pizza --sub test-ada --claim name=Ada \
    --claim email=ada@contoso.com --claim email_verified=true --claim groups=alexa-users)`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return mintLink(cmd, args) },
	}
	flags := mint.Flags()
	flags.StringVar(&args.clientID, "skill", "", "the `client_id` of the skill (required)")
	flags.StringVar(&args.subject, "sub", "", "the `subject` of the person (required)")
	flags.StringArrayVar(&args.claims, "claim", nil, "a claim of the person, `name=value`; may be repeated")
	flags.DurationVar(&args.lifetime, "lifetime", time.Hour, "how long the link lives, at most 24h")
	flags.StringVar(&args.actor, "actor", "",
		"who makes the link, a `name` in printable ASCII, stored with it (default command:USER@HOST)")
	return mint
}

func mintLink(cmd *cobra.Command, args mintArgs) error {
	if !cmd.Flags().Changed("actor") {
		args.actor = commandActor()
	}
	if err := args.check(); err != nil {
		return err
	}
	loaded, skill, err := loadSkill(cmd, args.clientID)
	if err != nil {
		return err
	}
	claims, err := mintClaims(skill, args.claims)
	if err != nil {
		return err
	}
	store, err := openStore(cmd, loaded.Storage)
	if err != nil {
		return err
	}
	made, token := bridge.NewTestLink(skill, args.subject, claims, bridge.Actor(args.actor), time.Now(), args.lifetime)
	if err := store.Mint(cmd.Context(), made); err != nil {
		return closeAfter(store, failed(err, "check that the database can be written and is not locked by another program"))
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "test link %s of %s, good until %s\n", made.Link.ID, upstream.LogText(args.subject),
		made.ExpiresAt.UTC().Format(time.RFC3339))
	if _, err := fmt.Fprintln(cmd.OutOrStdout(), token); err != nil { // such as to a full disk
		return closeAfter(store, failed(err, "the token is lost: make another test link"))
	}
	return closeAfter(store, nil)
}

func (a mintArgs) check() error {
	switch {
	case a.clientID == "":
		return misused("--skill is missing", "name the skill by its client_id")
	case a.subject == "" || len(a.subject) > upstream.MaxSubject || !utf8.ValidString(a.subject) ||
		strings.ContainsFunc(a.subject, unicode.IsControl):
		return misused("--sub is not a subject", "set 1 to 255 bytes of text, such as test-ada")
	case a.lifetime < time.Second || a.lifetime > bridge.MaxTestLifetime:
		return misused("--lifetime is out of range", "set a duration from 1s to 24h, such as 1h")
	}
	return checkActor(a.actor)
}

// mintClaims returns the claims of a test link, if the skill may have test links and allow admits such a person.
func mintClaims(skill *bridge.Skill, texts []string) (bridge.Claims, error) {
	if !skill.TestTokens {
		return nil, misused("the skill may not have test links",
			"set test_tokens: true for the skill, and restart the server; only in a configuration that is for tests")
	}
	claims := bridge.Claims{}
	for _, text := range texts {
		name, value, found := strings.Cut(text, "=")
		if kept := skill.KeptClaims(); found && !slices.Contains(kept, name) {
			return nil, misused("the skill does not keep the claim "+upstream.LogText(name),
				"use one of "+strings.Join(kept, ", ")+", or add it to claims of the skill")
		} else if !found || !utf8.ValidString(value) {
			return nil, misused("--claim is not name=value", "write it as in --claim name=Ada")
		}
		claims[name] = withValue(claims[name], name, value)
	}
	if rule := bridge.FirstFailed(skill.Allow.Rules(claims)); rule.Reason != "" {
		return nil, misused(fmt.Sprintf("allow does not admit this person: %s (%s)", rule.Name, rule.Reason),
			"give claims that it admits: "+exampleClaims(skill))
	}
	return claims, nil
}

// withValue returns the value of a claim after one more was given.
func withValue(have any, name, value string) any {
	switch have := have.(type) {
	case []any:
		return append(have, value)
	case nil:
	default:
		return []any{have, value}
	}
	switch {
	case name == bridge.ClaimGroups:
		return []any{value}
	case name == bridge.ClaimEmailVerified && (value == "true" || value == "false"):
		return value == "true"
	}
	return value
}

// exampleClaims returns flags with claims that allow admits.
func exampleClaims(skill *bridge.Skill) string {
	example := map[string]string{bridge.ClaimEmailVerified: "true"}
	for _, rule := range skill.Allow.Claims {
		example[rule.Name] = rule.AnyOf[0]
	}
	if len(skill.Allow.Groups) > 0 {
		example[bridge.ClaimGroups] = skill.Allow.Groups[0]
	}
	if domains := skill.Allow.EmailDomains; len(domains) > 0 && example[bridge.ClaimEmail] == "" {
		example[bridge.ClaimEmail] = "test@" + domains[0]
	}
	var flags []string
	for _, name := range skill.Allow.ClaimNames() {
		flags = append(flags, fmt.Sprintf("--claim '%s=%s'", name, example[name]))
	}
	slices.Sort(flags)
	return strings.Join(slices.Compact(flags), " ")
}
