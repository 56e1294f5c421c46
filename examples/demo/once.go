package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"alexa-oidc-bridge/bridge/alexa/simulator"
)

// playOnce does what a newcomer would do in a browser, and then what an operator would, and prints what happened. It fails
// when the skill does not answer as it should.
func playOnce(ctx context.Context, w *world, out io.Writer) error {
	ada := w.people[0]
	fmt.Fprintf(out, "%s links %s and asks it who she is. Then the operator ends the link, and she asks again.\n", ada.GivenName, skillName)
	err := w.play(ctx, ada.GivenName)
	w.story.write(out)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nWith the link, the skill says:     Hello %s\n", ada.GivenName)
	fmt.Fprintf(out, "Without it, with a %s card: %s\n", cardLinkAccount, linkAccountSpeech(skillName))
	return nil
}

func (w *world) play(ctx context.Context, name string) error {
	if err := w.linkOnce(); err != nil {
		return fmt.Errorf("linking: %w", err)
	}
	if err := w.askOnce(ctx, reply{Speech: "Hello " + name}); err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	if err := w.endLinks(ctx); err != nil {
		return fmt.Errorf("ending the link: %w", err)
	}
	if err := w.askOnce(ctx, reply{Speech: linkAccountSpeech(skillName), Card: cardLinkAccount}); err != nil {
		return fmt.Errorf("asking after the link was ended: %w", err)
	}
	return nil
}

// linkOnce takes a phone from the Alexa app and back.
func (w *world) linkOnce() error {
	phone := simulator.NewPhone()
	phone.Destinations = []string{w.alexa.destination()}
	login, err := phone.Open(w.alexa.enable())
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
	if err := w.alexa.arrive(end.URL.EscapedFragment()); err != nil {
		return err
	}
	if fault := w.alexa.now().Fault; fault != "" {
		return errors.New(fault)
	}
	return nil
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
