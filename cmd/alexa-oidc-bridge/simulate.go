package main

import (
	"time"

	"github.com/spf13/cobra"
)

// simulateArgs are the flags of simulate.
type simulateArgs struct {
	skill string // of the configuration

	// Of a server elsewhere.
	authorizationURI, tokenURI, userinfoURI, revocationURI string
	clientID, secretFile, vendorID, redirectURI            string
	scopes                                                 []string
	pkce                                                   bool

	grant, region string
	inBody, open  bool
	wait          time.Duration

	endpoint, skillID, signWith, serveChain string
}

func simulateCommand() *cobra.Command {
	var args simulateArgs
	simulate := &cobra.Command{
		Use:   "simulate",
		Short: "Play Alexa's side of account linking, and open the skill with the token",
		Long: `simulate does what Alexa does when a person enables a skill, without Amazon, and says of each step whether it
went well:

  1. For every region it sends the authorization request, which must begin a sign-in.
  2. It prints the URL of a sign-in. You open it, sign in and link. If the skill has an http redirect URI on this
     machine, such as http://localhost:9000/, the command receives the redirect there. If not, paste the address at
     which the browser ends.
  3. With the code grant it exchanges the code, refreshes, sends the same refresh token again as after a lost response,
     and refreshes several times at once. Every response must have what Alexa needs, within 4.5 seconds. It does not
     wait for the access token to expire: what counts then is that the refresh token is still good after all this.
  4. With --endpoint it opens the skill with the token, as "Alexa, open …" does, and prints what the skill says.
  5. It revokes the link, if it knows where.

The skill comes from the configuration, of which only public_url and skills matter. For a server elsewhere, give
--authorization-uri and what else is in the developer console; its client secret comes from --client-secret-file or
the environment variable SIMULATE_CLIENT_SECRET. No secret is an argument, and of tokens only the beginning is printed.

Each line begins with ok, warning or fault; the line below says what to do. After a fault the exit code is 1.`,
		Example: `  alexa-oidc-bridge simulate --skill pizza
  alexa-oidc-bridge simulate --skill pizza --endpoint http://localhost:3000/ --skill-id amzn1.ask.skill.…
  SIMULATE_CLIENT_SECRET=… alexa-oidc-bridge simulate --authorization-uri https://link.example.com/authorize \
    --token-uri https://link.example.com/token --client-id pizza --vendor-id M2AAAAAAAAAAAA --scope orders`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			target, err := args.target(cmd)
			if err != nil {
				return err
			}
			return simulateSkill(cmd, args, target)
		},
	}
	args.addFlags(simulate)
	return simulate
}

func (a *simulateArgs) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&a.skill, "skill", "", "the `client_id` of a skill of the configuration (default: the only one)")
	flags.StringVar(&a.authorizationURI, "authorization-uri", "", "the authorization `URL` of a server elsewhere")
	flags.StringVar(&a.tokenURI, "token-uri", "", "its token `URL`, for the code grant")
	flags.StringVar(&a.userinfoURI, "userinfo-uri", "", "its userinfo `URL`, to see whose token it is (optional)")
	flags.StringVar(&a.revocationURI, "revocation-uri", "", "its revocation `URL`, to end the link afterwards (optional)")
	flags.StringVar(&a.clientID, "client-id", "", "the client `id` of the skill there")
	flags.StringVar(&a.secretFile, "client-secret-file", "",
		"a `file` with the client secret (default $SIMULATE_CLIENT_SECRET)")
	flags.StringVar(&a.vendorID, "vendor-id", "", "your Amazon vendor `id`, the last part of an Alexa Redirect URL")
	flags.StringVar(&a.redirectURI, "redirect-uri", "",
		"a redirect `URI` on this machine that is registered there (optional)")
	flags.StringSliceVar(&a.scopes, "scope", nil, "a `scope` of the skill there; may be repeated")
	flags.BoolVar(&a.pkce, "pkce", false, "send a PKCE challenge, which is always done if the skill has require_pkce")
	flags.BoolVar(&a.inBody, "credentials-in-body", false, "send the client secret in the body, in place of HTTP Basic")
	flags.StringVar(&a.grant, "grant", "",
		"only this `grant`: implicit or authorization_code (default: those that the skill has)")
	flags.StringVar(&a.region, "region", "all", "the `region` of the person's Amazon account: na, eu, fe or all")
	flags.BoolVar(&a.open, "open", false, "open the sign-in in the browser of this machine")
	flags.DurationVar(&a.wait, "wait", 10*time.Minute, "how long to wait for a sign-in")
	flags.StringVar(&a.endpoint, "endpoint", "", "the `URL` of a custom skill, to open it with the token")
	flags.StringVar(&a.skillID, "skill-id", "amzn1.ask.skill.simulated",
		"the `id` of the skill in the request that opens it")
	flags.StringVar(&a.signWith, "sign-with", "",
		"a `folder` with the test authority that signs that request; made if it is empty")
	flags.StringVar(&a.serveChain, "serve-chain", "",
		"serve its certificate chain as s3.amazonaws.com on this loopback `address`")
}
