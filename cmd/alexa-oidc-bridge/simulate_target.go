package main

import (
	"cmp"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/config"
)

// target is the skill that simulate links, and its authorization server.
type target struct {
	linking  simulator.Linking
	grants   []bridge.Grant
	vendorID string // empty: not known; then loopback is not empty
	loopback string // a redirect URI on this machine; empty: none
}

// target returns what the flags and the configuration say.
func (a simulateArgs) target(cmd *cobra.Command) (target, error) {
	if err := a.check(); err != nil {
		return target{}, err
	}
	find := a.fromConfig
	if a.authorizationURI != "" {
		find = a.fromFlags
	}
	chosen, err := find(cmd)
	if err != nil {
		return target{}, err
	}
	chosen.linking.InBody = a.inBody
	if a.grant != "" {
		chosen.grants = []bridge.Grant{bridge.Grant(a.grant)}
	}
	return chosen, nil
}

// check rejects flags that do not fit each other.
func (a simulateArgs) check() error {
	elsewhere := a.tokenURI + a.userinfoURI + a.revocationURI + a.clientID + a.secretFile + a.vendorID + a.redirectURI +
		strings.Join(a.scopes, "")
	switch {
	case a.authorizationURI == "" && elsewhere != "":
		return misused("--authorization-uri is missing",
			"give it with the other flags of a server elsewhere, or --skill alone for one of the configuration")
	case a.authorizationURI != "" && a.skill != "":
		return misused("--skill and --authorization-uri are given",
			"use --skill for a skill of the configuration, or --client-id for one elsewhere")
	case a.region != "all" && a.region != "na" && a.region != "eu" && a.region != "fe":
		return misused("--region is not a region", "use na, eu, fe or all")
	case a.endpoint == "" && (a.signWith != "" || a.serveChain != ""):
		return misused("--endpoint is missing", "give the URL of the skill that the request is for")
	case a.serveChain != "" && a.signWith == "":
		return misused("--sign-with is missing", "name the folder of the test authority whose chain is to be served")
	}
	for name, text := range map[string]string{
		"authorization-uri": a.authorizationURI, "token-uri": a.tokenURI, "userinfo-uri": a.userinfoURI,
		"revocation-uri": a.revocationURI, "endpoint": a.endpoint,
	} {
		if parsed, err := url.Parse(text); text != "" &&
			(err != nil || parsed.Host == "" || parsed.User != nil || !config.IsSecure(parsed)) {
			return misused("--"+name+" is not a URL that may be used", "set an https URL; http is for this machine only")
		}
	}
	return checkGrant(bridge.Grant(a.grant))
}

// isOnLoopback reports whether a URL is plain HTTP to this machine.
func isOnLoopback(u *url.URL) bool { return u.Scheme == "http" && config.IsSecure(u) }

// fromConfig returns a skill of the configuration.
func (a simulateArgs) fromConfig(cmd *cobra.Command) (target, error) {
	loaded, _, err := loadConfig(cmd)
	if err != nil {
		return target{}, err
	}
	skill, err := skillToTry(loaded, a.skill)
	if err != nil {
		return target{}, err
	}
	secret, err := loadClientSecret(cmd, skill.ClientID)
	if err != nil {
		return target{}, err
	}
	origin := loaded.Server.PublicURL
	chosen := target{
		linking: simulator.Linking{
			AuthorizationURI: origin + "/authorize", TokenURI: origin + "/token", UserinfoURI: origin + "/userinfo",
			RevocationURI: origin + "/revoke", ClientID: skill.ClientID, ClientSecret: secret.Text,
			PKCE: skill.RequirePKCE || a.pkce, Scopes: skill.Scopes,
		},
		grants: skill.Grants,
	}
	for _, uri := range skill.RedirectURIs {
		chosen.vendorID = cmp.Or(chosen.vendorID, alexa.VendorID(uri))
		if parsed, err := url.Parse(uri); err == nil && isOnLoopback(parsed) {
			chosen.loopback = cmp.Or(chosen.loopback, uri)
		}
	}
	switch {
	case chosen.loopback == "" && chosen.vendorID == "":
		return target{}, misused("the skill has neither vendor_ids nor a redirect URI on this machine", "add one of them")
	case a.grant != "" && !skill.HasGrant(bridge.Grant(a.grant)):
		return target{}, misused("the skill does not have the grant "+a.grant,
			"leave --grant out, or add it to grants of the skill")
	}
	return chosen, nil
}

// fromFlags returns a skill of a server elsewhere.
func (a simulateArgs) fromFlags(*cobra.Command) (target, error) {
	secret, err := a.clientSecret()
	if err != nil {
		return target{}, err
	}
	chosen := target{
		linking: simulator.Linking{
			AuthorizationURI: a.authorizationURI, TokenURI: a.tokenURI, UserinfoURI: a.userinfoURI,
			RevocationURI: a.revocationURI, ClientID: a.clientID, ClientSecret: secret, PKCE: a.pkce, Scopes: a.scopes,
		},
		grants:   []bridge.Grant{bridge.GrantAuthorizationCode},
		vendorID: a.vendorID, loopback: a.redirectURI,
	}
	if a.tokenURI == "" {
		chosen.grants = []bridge.Grant{bridge.GrantImplicit}
	}
	loopback, err := url.Parse(a.redirectURI)
	switch {
	case a.clientID == "":
		return target{}, misused("--client-id is missing", "set Your Client ID of the developer console")
	case a.vendorID == "" && a.redirectURI == "":
		return target{}, misused("--vendor-id is missing",
			"set the last part of an Alexa Redirect URL of the developer console")
	case a.vendorID != "" && alexa.CheckVendorID(a.vendorID) != nil:
		return target{}, misused("--vendor-id is not a vendor id",
			"copy the last part of an Alexa Redirect URL of the developer console")
	case a.redirectURI != "" && (err != nil || !isOnLoopback(loopback)):
		return target{}, misused("--redirect-uri is not one on this machine",
			"use such as http://localhost:9000/, or leave it out")
	case a.grant != string(bridge.GrantImplicit) && a.tokenURI != "" && secret == "":
		return target{}, misused("the client secret is missing", "set SIMULATE_CLIENT_SECRET, or give --client-secret-file")
	case a.grant == string(bridge.GrantAuthorizationCode) && a.tokenURI == "":
		return target{}, misused("--token-uri is missing", "set the Access Token URI of the developer console")
	}
	return chosen, nil
}

// clientSecret returns the client secret, or "" if none is given.
func (a simulateArgs) clientSecret() (string, error) {
	if a.secretFile == "" {
		return os.Getenv("SIMULATE_CLIENT_SECRET"), nil
	}
	text, err := os.ReadFile(a.secretFile)
	if err != nil {
		return "", failed(err, "name a file that can be read")
	}
	return strings.TrimSpace(string(text)), nil
}
