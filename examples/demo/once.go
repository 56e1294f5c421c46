package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
)

// playOnce does what a person would do in a browser, and what an operator would do, and prints what happened. It
// fails if a reply is not the expected one.
func playOnce(ctx context.Context, d *demo, out io.Writer) error {
	name := d.people[0].GivenName
	fmt.Fprintf(out, `%s links %s by the implicit grant and asks it who she is. The operator revokes the link, and she
asks again. Then she does the same by the authorization code grant, where Alexa refreshes its token. At last she links
once more, and the company deactivates her account in its directory.
`, name, skillName)
	err := d.play(ctx, "Hello "+name)
	d.transcript.write(out)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, `
With a link, by either grant, the skill says:  Hello %s
An hour later, by the code grant:              Hello %[1]s, with a new access token
After the revocation, with a %s card: %s
An hour after that, by the code grant:         the same, without a new token: invalid_grant
After her account was deactivated:             the same; the directory told the bridge
`, name, cardLinkAccount, linkAccountSpeech(skillName))
	return nil
}

func (d *demo) play(ctx context.Context, greeting string) error {
	if err := d.playImplicit(ctx, reply{Speech: greeting}); err != nil {
		return fmt.Errorf("implicit grant: %w", err)
	}
	if err := d.playCode(ctx, reply{Speech: greeting}); err != nil {
		return fmt.Errorf("code grant: %w", err)
	}
	if err := d.playCompany(ctx, reply{Speech: greeting}); err != nil {
		return fmt.Errorf("company account: %w", err)
	}
	return nil
}

// notLinked is the reply to somebody whose account is not linked.
func notLinked() reply { return reply{Speech: linkAccountSpeech(skillName), Card: cardLinkAccount} }

func (d *demo) playImplicit(ctx context.Context, greeting reply) error {
	if err := d.linkOnce(ctx, bridge.GrantImplicit); err != nil {
		return fmt.Errorf("linking: %w", err)
	}
	if err := d.askOnce(ctx, greeting); err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	if err := d.revokeLinks(ctx); err != nil {
		return fmt.Errorf("revoking the link: %w", err)
	}
	if err := d.askOnce(ctx, notLinked()); err != nil {
		return fmt.Errorf("asking after the revocation: %w", err)
	}
	return nil
}

func (d *demo) playCode(ctx context.Context, greeting reply) error {
	if err := d.linkOnce(ctx, bridge.GrantAuthorizationCode); err != nil {
		return fmt.Errorf("linking: %w", err)
	}
	if err := d.askOnce(ctx, greeting); err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	d.alexa.hourLater()
	if err := d.askOnce(ctx, greeting); err != nil {
		return fmt.Errorf("asking an hour later: %w", err)
	}
	if !d.alexa.snapshot().Refreshed {
		return errors.New("asking an hour later: Alexa did not refresh its token")
	}
	if err := d.revokeLinks(ctx); err != nil {
		return fmt.Errorf("revoking the link: %w", err)
	}
	if err := d.askOnce(ctx, notLinked()); err != nil {
		return fmt.Errorf("asking after the revocation: %w", err)
	}
	d.alexa.hourLater()
	if err := d.askOnce(ctx, notLinked()); err != nil {
		return fmt.Errorf("asking an hour after the revocation: %w", err)
	}
	if !d.alexa.snapshot().Unlinked {
		return errors.New("the bridge did not reject the refresh token")
	}
	return nil
}

// playCompany ends a link by the directory of the company.
func (d *demo) playCompany(ctx context.Context, greeting reply) error {
	if err := d.linkOnce(ctx, bridge.GrantImplicit); err != nil {
		return fmt.Errorf("linking: %w", err)
	}
	if err := d.askOnce(ctx, greeting); err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	if err := d.company.deactivate(ctx, d.people[0].Login); err != nil {
		return fmt.Errorf("deactivating the account: %w", err)
	}
	if err := d.askOnce(ctx, notLinked()); err != nil {
		return fmt.Errorf("asking after the account was deactivated: %w", err)
	}
	return nil
}

// linkOnce links the account by a simulated phone.
func (d *demo) linkOnce(ctx context.Context, grant bridge.Grant) error {
	phone := simulator.NewPhone()
	phone.Destinations = d.alexa.destinations()
	login, err := phone.Open(d.alexa.enable(grant))
	if err := arrivedAt(login, err, d.origins.Provider, "the company's sign-in"); err != nil {
		return err
	}
	ada := d.people[0]
	consent, err := phone.Submit(login, url.Values{"login": {ada.Login}, "password": {ada.Password},
		"action": {"sign-in"}})
	if err := arrivedAt(consent, err, d.origins.Bridge, "the consent page"); err != nil {
		return err
	}
	end, err := phone.Submit(consent, url.Values{"decision": {"link"}})
	if err := arrivedAt(end, err, d.origins.Alexa, "Alexa's page"); err != nil {
		return err
	}
	if err := d.arriveOnce(ctx, grant, end.URL); err != nil {
		return err
	}
	if problem := d.alexa.snapshot().Problem; problem != "" {
		return errors.New(problem)
	}
	return nil
}

func (d *demo) arriveOnce(ctx context.Context, grant bridge.Grant, at *url.URL) error {
	if grant == bridge.GrantAuthorizationCode {
		return d.alexa.arriveWithCode(ctx, at.RawQuery)
	}
	return d.alexa.arrive(at.EscapedFragment())
}

// arrivedAt returns an error unless the phone stopped at the expected party.
func arrivedAt(page *simulator.Page, err error, origin, where string) error {
	switch {
	case err != nil:
		return withoutURL(err)
	case !page.Arrived && page.Status != http.StatusOK || !strings.HasPrefix(page.URL.String(), origin+"/"):
		return fmt.Errorf("the browser did not reach %s but http://%s%s, with status %d", where, page.URL.Host,
			page.URL.Path, page.Status)
	}
	return nil
}

// withoutURL removes the URL, which contains states and codes, from an error.
func withoutURL(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	return err
}

func (d *demo) askOnce(ctx context.Context, want reply) error {
	heard, err := d.alexa.ask(ctx)
	if err != nil {
		return err
	}
	if heard != want {
		return fmt.Errorf("the skill said %q with the card %q, and not %q with %q", heard.Speech, heard.Card, want.Speech,
			want.Card)
	}
	return nil
}
