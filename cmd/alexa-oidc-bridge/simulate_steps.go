package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/upstream"
)

// simulation is one run of simulate.
type simulation struct {
	simulateArgs
	target  target
	browser *browser
	report  *report
	secrets []string // that a server may say, and nobody must print
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
	s := &simulation{args, target, opened, &report{w: cmd.OutOrStdout()}, []string{target.linking.ClientSecret}}
	if target.vendorID == "" {
		s.report.add(finding{levelWarning, "Alexa's regions: not tried, since no vendor id is known",
			"give --vendor-id, or set vendor_ids of the skill"})
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
			"compare Client ID, grant and Alexa Redirect URLs of the developer console with client_id, grants and vendor_ids; "+
				"see the log of the server")
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
	for i, known := range []struct{ id, name string }{
		{"na", "Americas"}, {"eu", "Europe and India"}, {"fe", "Japan and Australia"},
	} {
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
		s.fault(fmt.Sprintf("%s: no link: %v", grant, err),
			"see the page in the browser, and the log of the server by its reference")
		return
	}
	token := response.Get("access_token")
	s.secrets = append(s.secrets, token, response.Get("code"))
	if grant == bridge.GrantImplicit {
		s.report.add(ok("implicit: linked, with the access token %s and the state that was sent", masked(token)))
	} else {
		code := response.Get("code")
		s.report.add(ok("authorization_code: linked, with the code %s and the state that was sent", masked(code)))
		if token = s.exchange(ctx, request, code); token == "" {
			return
		}
	}
	s.checkUserinfo(ctx, token)
	s.open(ctx, skill, token)
	s.revoke(ctx, token)
}

// exchange exchanges a code and refreshes, and returns the newest access token, or "" if there is none.
func (s *simulation) exchange(ctx context.Context, request simulator.Request, code string) string {
	tokens, err := s.target.linking.Exchange(ctx, request, code)
	s.secrets = append(s.secrets, tokens.AccessToken, tokens.RefreshToken)
	if err != nil {
		s.fault("the code cannot be exchanged: "+err.Error(),
			"compare Your Secret of the developer console with client_secret; see the log of the server (no token issued)")
		return ""
	}
	s.report.add(ok("exchanged the code: access token %s for %d seconds, refresh token %s", masked(tokens.AccessToken),
		tokens.ExpiresIn, masked(tokens.RefreshToken)))
	newest, err := s.target.linking.CheckRefresh(ctx, tokens,
		func(step string) { s.report.add(ok("refreshed: %s", step)) })
	s.secrets = append(s.secrets, newest.AccessToken, newest.RefreshToken)
	if err != nil {
		s.fault("a link does not last: "+err.Error(),
			"people would have to link again: refresh tokens must survive lost responses and concurrent refreshes")
		return tokens.AccessToken
	}
	s.report.add(ok("the link lives: in %d seconds Alexa can refresh by the token %s", newest.ExpiresIn,
		masked(newest.RefreshToken)))
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
		s.fault(err.Error(),
			"see the log of the skill; if it verifies signatures, it must trust root.pem of the folder --sign-with")
	case reply.Card == "LinkAccount":
		s.fault(fmt.Sprintf("the skill asks to link the account: %q", reply.Speech),
			"it did not accept the token: see its log, and whether its backend serves this skill")
	default:
		s.report.add(ok("the skill says %q", s.hide(reply.Speech)))
	}
}

// fault reports what does not work, with text from the server.
func (s *simulation) fault(what, hint string) {
	s.report.add(finding{levelFault, upstream.LogText(what, s.secrets...), hint})
}

// hide returns a text in any language without the secrets, and at most 300 bytes of it.
func (s *simulation) hide(text string) string {
	for _, secret := range s.secrets {
		if secret != "" {
			text = strings.NewReplacer(secret, "[removed]", url.QueryEscape(secret), "[removed]").Replace(text)
		}
	}
	return strings.ToValidUTF8(text[:min(len(text), 300)], "")
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
	s.report.add(ok("the access token is that of the person with the sub %q", s.hide(fmt.Sprint(claims["sub"]))))
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
