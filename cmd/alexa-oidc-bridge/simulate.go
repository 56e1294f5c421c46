package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/upstream"
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
		Long: `simulate does what Alexa does when a person enables a skill, without Amazon, and says of each step whether it went well:

  1. For every region it sends the authorization request, which must begin a sign-in.
  2. It prints the URL of a sign-in. You open it, sign in and link. If the skill has an http redirect URI on this machine,
     such as http://localhost:9000/, the command receives the redirect there. If not, paste the address at which the browser
     ends.
  3. With the code grant it exchanges the code, refreshes, sends the same refresh token again as after a lost response, and
     refreshes several times at once. Every response must have what Alexa needs, within 4.5 seconds. It does not wait for the
     access token to expire: that the refresh token is still good after all this is what counts then.
  4. With --endpoint it opens the skill with the token, as "Alexa, open …" does, and prints what the skill says.
  5. It revokes the link, if it knows where.

The skill comes from the configuration, of which only public_url and skills matter. Give --authorization-uri and what else is
in the developer console for a server elsewhere; its client secret comes from --client-secret-file or the environment
variable SIMULATE_CLIENT_SECRET. No secret is an argument, and of tokens only the beginning is printed.

Each line begins with ok, warning or fault; the line below says what to do. After a fault the exit code is 1.`,
		Example: `  alexa-oidc-bridge simulate --skill pizza
  alexa-oidc-bridge simulate --skill pizza --region eu --endpoint http://localhost:3000/ --skill-id amzn1.ask.skill.…
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
	flags.StringVar(&a.authorizationURI, "authorization-uri", "", "the `URL` of the authorization endpoint of a server elsewhere")
	flags.StringVar(&a.tokenURI, "token-uri", "", "the `URL` of its token endpoint, for the code grant")
	flags.StringVar(&a.userinfoURI, "userinfo-uri", "", "the `URL` of its userinfo endpoint, to see whose token it is (optional)")
	flags.StringVar(&a.revocationURI, "revocation-uri", "", "the `URL` of its revocation endpoint, to end the link afterwards (optional)")
	flags.StringVar(&a.clientID, "client-id", "", "the client `id` of the skill there")
	flags.StringVar(&a.secretFile, "client-secret-file", "", "a `file` with the client secret (default $SIMULATE_CLIENT_SECRET)")
	flags.StringVar(&a.vendorID, "vendor-id", "", "your Amazon vendor `id`, the last part of an Alexa Redirect URL")
	flags.StringVar(&a.redirectURI, "redirect-uri", "", "a redirect `URI` on this machine that is registered there (optional)")
	flags.StringSliceVar(&a.scopes, "scope", nil, "a `scope` of the skill there; may be repeated")
	flags.BoolVar(&a.pkce, "pkce", false, "send a PKCE challenge, as with PKCE in the developer console; for a skill with require_pkce it always is")
	flags.StringVar(&a.grant, "grant", "", "only this `grant`: implicit or authorization_code (default: those that the skill has)")
	flags.StringVar(&a.region, "region", "all", "the `region` of the person's Amazon account: na, eu, fe or all")
	flags.BoolVar(&a.inBody, "credentials-in-body", false, "send the client secret in the body, in place of HTTP Basic")
	flags.BoolVar(&a.open, "open", false, "open the sign-in in the browser of this machine")
	flags.DurationVar(&a.wait, "wait", 10*time.Minute, "how long to wait for a sign-in")
	flags.StringVar(&a.endpoint, "endpoint", "", "the `URL` of a custom skill, to open it with the token")
	flags.StringVar(&a.skillID, "skill-id", "amzn1.ask.skill.simulated", "the `id` of the skill in the request that opens it")
	flags.StringVar(&a.signWith, "sign-with", "", "a `folder` with the test authority that signs that request; made if it is empty")
	flags.StringVar(&a.serveChain, "serve-chain", "", "serve its certificate chain as s3.amazonaws.com on this loopback `address`")
}

// simulation is one run of simulate.
type simulation struct {
	simulateArgs
	target  target
	browser *browser
	report  *report
}

func simulateSkill(cmd *cobra.Command, args simulateArgs, target target) error {
	ctx := cmd.Context()
	opened := newBrowser(cmd, args, target.loopback)
	if err := opened.listen(ctx); err != nil {
		return failed(err, "stop the program that uses the port, or give the skill another redirect URI on this machine")
	}
	defer opened.close()
	skill, stop, err := args.openedSkill(ctx)
	if err != nil {
		return err
	}
	defer stop()
	s := &simulation{args, target, opened, &report{w: cmd.OutOrStdout()}}
	if target.vendorID == "" {
		s.report.add(finding{levelWarning, "Alexa's regions: not tried, since no vendor id is known", "give --vendor-id, or set vendor_ids of the skill"})
	}
	for _, grant := range target.grants {
		s.checkRegions(ctx, grant)
	}
	for _, grant := range target.grants {
		s.link(ctx, grant, skill)
	}
	return s.report.err()
}

// openedSkill returns the skill to open, or nil, and what to call afterwards.
func (a simulateArgs) openedSkill(ctx context.Context) (skill *simulator.Skill, stop func(), err error) {
	stop = func() {}
	if a.endpoint == "" {
		return nil, stop, nil
	}
	skill = &simulator.Skill{Endpoint: a.endpoint, ID: a.skillID}
	if a.signWith == "" {
		return skill, stop, nil
	}
	if skill.Signer, err = simulator.OpenSigner(a.signWith); err != nil {
		return nil, nil, failed(err, "name a folder that exists, and is empty or was written by this command")
	}
	if a.serveChain != "" {
		if _, stop, err = skill.Signer.Serve(ctx, a.serveChain); err != nil {
			return nil, nil, failed(err, "choose a loopback address and a free port, such as 127.0.0.1:9443")
		}
	}
	return skill, stop, nil
}

// checkRegions verifies that a sign-in begins for the redirect URI of each region.
func (s *simulation) checkRegions(ctx context.Context, grant bridge.Grant) {
	for _, region := range s.regions(grant) {
		err := s.target.linking.CheckStart(ctx, s.target.linking.NewRequest(responseType(grant), region.redirectURI))
		what := fmt.Sprintf("%s, %s: %s", grant, region.name, region.redirectURI)
		if err == nil {
			s.report.add(ok("%s begins a sign-in", what))
			continue
		}
		s.fault(what+" begins no sign-in: "+err.Error(),
			"compare Client ID, grant and Alexa Redirect URLs of the developer console with client_id, grants and vendor_ids; see the log of the server")
	}
}

// region is one of Alexa's, with its redirect URI for a grant.
type region struct{ name, redirectURI string }

// regions returns the regions to be tried; none if no vendor id is known.
func (s *simulation) regions(grant bridge.Grant) (regions []region) {
	if s.target.vendorID == "" {
		return nil
	}
	uris := alexa.RedirectURIs(s.target.vendorID) // two of each host, of which the second is for the implicit grant
	for i, known := range []struct{ id, name string }{{"na", "Americas"}, {"eu", "Europe and India"}, {"fe", "Japan and Australia"}} {
		if s.region != "all" && s.region != known.id {
			continue
		}
		uri := uris[2*i]
		if grant == bridge.GrantImplicit {
			uri = uris[2*i+1]
		}
		regions = append(regions, region{known.name, uri})
	}
	return regions
}

func responseType(grant bridge.Grant) string {
	if grant == bridge.GrantImplicit {
		return bridge.ResponseTypeToken
	}
	return bridge.ResponseTypeCode
}

// link links by a grant, uses the token, and ends the link.
func (s *simulation) link(ctx context.Context, grant bridge.Grant, skill *simulator.Skill) {
	redirectURI := s.target.loopback
	if redirectURI == "" {
		redirectURI = s.regions(grant)[0].redirectURI
	}
	request := s.target.linking.NewRequest(responseType(grant), redirectURI)
	response, err := s.browser.signIn(ctx, request)
	if err != nil {
		s.fault(fmt.Sprintf("%s: no link: %v", grant, err), "see the page in the browser, and the log of the server by its reference")
		return
	}
	token := response.Get("access_token")
	if grant == bridge.GrantImplicit {
		s.report.add(ok("implicit: linked, with the access token %s and the state that was sent", masked(token)))
	} else {
		s.report.add(ok("authorization_code: linked, with the code %s and the state that was sent", masked(response.Get("code"))))
		if token = s.exchange(ctx, request, response.Get("code")); token == "" {
			return
		}
	}
	s.checkUserinfo(ctx, token)
	s.open(ctx, skill, token)
	s.revoke(ctx, token)
}

// exchange exchanges a code and refreshes, and returns the newest access token, or "" if there is none.
func (s *simulation) exchange(ctx context.Context, request simulator.Request, code string) string {
	const hint = "compare Your Secret of the developer console with client_secret; see the log of the server (no token issued)"
	tokens, err := s.target.linking.Exchange(ctx, request, code)
	if err != nil {
		s.fault("the code cannot be exchanged: "+err.Error(), hint)
		return ""
	}
	s.report.add(ok("exchanged the code: access token %s for %d seconds, refresh token %s", masked(tokens.AccessToken),
		tokens.ExpiresIn, masked(tokens.RefreshToken)))
	newest, err := s.target.linking.CheckRefresh(ctx, tokens, func(step string) { s.report.add(ok("refreshed: %s", step)) })
	if err != nil {
		s.fault("a link does not last: "+err.Error(),
			"people would have to link again: refresh tokens must survive lost responses and concurrent refreshes")
		return tokens.AccessToken
	}
	s.report.add(ok("the link lives: in %d seconds Alexa can refresh by the token %s", newest.ExpiresIn, masked(newest.RefreshToken)))
	return newest.AccessToken
}

// open opens the skill, unless it is nil.
func (s *simulation) open(ctx context.Context, skill *simulator.Skill, token string) {
	if skill == nil {
		return
	}
	reply, err := skill.Launch(ctx, token)
	switch {
	case err != nil:
		s.fault(err.Error(), "see the log of the skill; if it verifies signatures, it must trust root.pem of the folder --sign-with")
	case reply.Card == "LinkAccount":
		s.fault(fmt.Sprintf("the skill asks to link the account: %q", reply.Speech),
			"it did not accept the token: see its log, and whether its backend serves this skill")
	default:
		s.report.add(ok("the skill says %q", reply.Speech))
	}
}

// fault reports what does not work, with text from the server.
func (s *simulation) fault(what, hint string) {
	s.report.add(finding{levelFault, upstream.LogText(what, s.target.linking.ClientSecret), hint})
}

// masked returns the beginning of a secret.
func masked(secret string) string {
	return upstream.LogText(secret[:min(8, len(secret)/2)]) + "…"
}

// checkUserinfo verifies that the access token is active, if it is known where to ask.
func (s *simulation) checkUserinfo(ctx context.Context, token string) {
	if s.target.linking.UserinfoURI == "" {
		return
	}
	claims, err := s.target.linking.Userinfo(ctx, token)
	if err != nil {
		s.fault("userinfo: "+err.Error(), "see the log of the server")
		return
	}
	s.report.add(ok("the access token is that of the person with the sub %q", claims["sub"]))
}

// revoke ends the link, if it is known where.
func (s *simulation) revoke(ctx context.Context, token string) {
	if s.target.linking.RevocationURI == "" {
		s.report.add(finding{levelWarning, "the link remains", "revoke it at the server"})
		return
	}
	if err := s.target.linking.Revoke(ctx, token); err != nil {
		s.fault("the link remains: "+err.Error(), "revoke it at the server")
		return
	}
	s.report.add(ok("revoked the link"))
}
