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
	"alexa-oidc-bridge/bridge/simulator"
)

// playOnce does what a newcomer would do in a browser, and what an operator would, and prints what happened. It fails when
// anything is not as it should be.
func playOnce(ctx context.Context, w *world, out io.Writer) error {
	name := w.people[0].GivenName
	fmt.Fprintf(out, `%s links %s by the implicit grant and asks it who she is. The operator ends the link, and she asks again.
Then she does the same by the authorization code grant, where Alexa renews its token as long as the link lives.
`, name, skillName)
	err := w.play(ctx, "Hello "+name)
	w.story.write(out)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, `
With a link, by either grant, the skill says:  Hello %s
An hour later, by the code grant:              Hello %[1]s, with a new access token
After the link has ended, with a %s card: %s
An hour after that, by the code grant:         the same, and no new token: the refresh was refused (invalid_grant)
`, name, cardLinkAccount, linkAccountSpeech(skillName))
	return nil
}

func (w *world) play(ctx context.Context, greeting string) error {
	if err := w.playImplicit(ctx, reply{Speech: greeting}); err != nil {
		return fmt.Errorf("implicit grant: %w", err)
	}
	if err := w.playCode(ctx, reply{Speech: greeting}); err != nil {
		return fmt.Errorf("code grant: %w", err)
	}
	return nil
}

// notLinked is what the skill says to somebody whom it does not know.
func notLinked() reply { return reply{Speech: linkAccountSpeech(skillName), Card: cardLinkAccount} }

func (w *world) playImplicit(ctx context.Context, greeting reply) error {
	if err := w.linkOnce(ctx, bridge.GrantImplicit); err != nil {
		return fmt.Errorf("linking: %w", err)
	}
	if err := w.askOnce(ctx, greeting); err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	if err := w.endLinks(ctx); err != nil {
		return fmt.Errorf("ending the link: %w", err)
	}
	if err := w.askOnce(ctx, notLinked()); err != nil {
		return fmt.Errorf("asking after the link was ended: %w", err)
	}
	return nil
}

func (w *world) playCode(ctx context.Context, greeting reply) error {
	if err := w.linkOnce(ctx, bridge.GrantAuthorizationCode); err != nil {
		return fmt.Errorf("linking: %w", err)
	}
	if err := w.askOnce(ctx, greeting); err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	w.alexa.hourLater()
	if err := w.askOnce(ctx, greeting); err != nil {
		return fmt.Errorf("asking an hour later: %w", err)
	}
	if !w.alexa.now().Refreshed {
		return errors.New("asking an hour later: Alexa did not refresh its token")
	}
	if err := w.endLinks(ctx); err != nil {
		return fmt.Errorf("ending the link: %w", err)
	}
	if err := w.askOnce(ctx, notLinked()); err != nil {
		return fmt.Errorf("asking after the link was ended: %w", err)
	}
	w.alexa.hourLater()
	if err := w.askOnce(ctx, notLinked()); err != nil {
		return fmt.Errorf("asking an hour after the link was ended: %w", err)
	}
	if !w.alexa.now().Lost {
		return errors.New("the bridge did not refuse to refresh")
	}
	return nil
}

// linkOnce takes a phone from the Alexa app and back.
func (w *world) linkOnce(ctx context.Context, grant bridge.Grant) error {
	phone := simulator.NewPhone()
	phone.Destinations = w.alexa.destinations()
	login, err := phone.Open(w.alexa.enable(grant))
	if err := arrivedAt(login, err, w.origins.Provider, "the company's sign-in"); err != nil {
		return err
	}
	ada := w.people[0]
	consent, err := phone.Submit(login, url.Values{"login": {ada.Login}, "password": {ada.Password}, "action": {"sign-in"}})
	if err := arrivedAt(consent, err, w.origins.Bridge, "the consent page"); err != nil {
		return err
	}
	end, err := phone.Submit(consent, url.Values{"decision": {"link"}})
	if err := arrivedAt(end, err, w.origins.Alexa, "Alexa's page"); err != nil {
		return err
	}
	if err := w.arriveOnce(ctx, grant, end.URL); err != nil {
		return err
	}
	if fault := w.alexa.now().Fault; fault != "" {
		return errors.New(fault)
	}
	return nil
}

func (w *world) arriveOnce(ctx context.Context, grant bridge.Grant, at *url.URL) error {
	if grant == bridge.GrantAuthorizationCode {
		return w.alexa.arriveWithCode(ctx, at.RawQuery)
	}
	return w.alexa.arrive(at.EscapedFragment())
}

// arrivedAt says whether a phone came to where it should be.
func arrivedAt(page *simulator.Page, err error, origin, where string) error {
	switch {
	case err != nil:
		return withoutURL(err)
	case !page.Arrived && page.Status != http.StatusOK || !strings.HasPrefix(page.URL.String(), origin+"/"):
		return fmt.Errorf("the browser did not come to %s but to http://%s%s, with status %d", where, page.URL.Host, page.URL.Path, page.Status)
	}
	return nil
}

// withoutURL leaves out of an error of a request what its address holds: states and codes.
func withoutURL(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	return err
}

func (w *world) askOnce(ctx context.Context, want reply) error {
	heard, err := w.alexa.ask(ctx)
	if err != nil {
		return err
	}
	if heard != want {
		return fmt.Errorf("the skill said %q with the card %q, and not %q with %q", heard.Speech, heard.Card, want.Speech, want.Card)
	}
	return nil
}
