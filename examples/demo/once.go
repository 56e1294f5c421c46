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
	"alexa-oidc-bridge/bridge/upstreamtest"
)

// playOnce does what a person would do in a browser, and what others would do to end the link, and prints what
// happened. It fails if a reply is not the expected one.
func playOnce(ctx context.Context, d *demo, out io.Writer) error {
	name := d.people[0].GivenName
	fmt.Fprintf(out, `%s links %s by the authorization code grant and asks it who she is. Alexa refreshes its token. The
operator revokes the link, and she asks again. Then she links by the implicit grant, again and again, and each time the
link ends in another way.
`, name, skillName)
	err := d.play(ctx, reply{Speech: "Hello " + name})
	d.transcript.write(out)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, `
With a link, by either grant, the skill says:  Hello %s
An hour later, by the code grant:              Hello %[1]s, with a new access token
After the revocation, with a %s card: %s
An hour after that, by the code grant:         the same, without a new token: invalid_grant
`, name, cardLinkAccount, linkAccountSpeech(skillName))
	for _, way := range d.ways() {
		fmt.Fprintf(out, "%-47sthe same; the link ended as %s, by %s\n", way.name+":", way.reason, way.actor)
	}
	return nil
}

// way is a way to end a link.
type way struct {
	name   string
	end    func(ctx context.Context) error
	reason bridge.Reason
	actor  bridge.Actor
}

// ways returns all ways but those that take a while. After the last one the person cannot sign in any more.
func (d *demo) ways() []way {
	return []way{
		{"After she unlinked on her page", d.unlinkOnce, bridge.ReasonUnlinked, bridge.ActorPerson},
		{"After the operator’s command", d.revokeLinks, bridge.ReasonOperator, "command:demo"},
		{"After a request to the admin API", d.revokeByAPI, bridge.ReasonOperator, bridge.ActorAPI(adminName)},
		{"After she disabled the skill, by an event", d.alexa.disableSkill, bridge.ReasonSkillDisabled,
			bridge.ActorAlexa},
		{"After she disabled it, by the backend", d.disableUnnoticed, bridge.ReasonSkillDisabled,
			bridge.ActorBackend(backendID)},
		{"After her account was deactivated, by SCIM", d.deactivateOnce, bridge.ReasonDeprovisioned,
			bridge.ActorProvider(providerID)},
	}
}

func (d *demo) play(ctx context.Context, greeting reply) error {
	if err := d.playCode(ctx, greeting); err != nil {
		return fmt.Errorf("code grant: %w", err)
	}
	for _, way := range d.ways() {
		if err := d.playEnd(ctx, greeting, way); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
	}
	return nil
}

// notLinked is the reply to somebody whose account is not linked.
func notLinked() reply { return reply{Speech: linkAccountSpeech(skillName), Card: cardLinkAccount} }

// playEnd links, ends the link, and asks before and after that.
func (d *demo) playEnd(ctx context.Context, greeting reply, way way) error {
	if err := d.linkOnce(ctx, bridge.GrantImplicit); err != nil {
		return fmt.Errorf("linking: %w", err)
	}
	if err := d.askOnce(ctx, greeting); err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	link, err := d.lastLink(ctx)
	if err != nil {
		return err
	}
	if err := way.end(ctx); err != nil {
		return fmt.Errorf("ending the link: %w", err)
	}
	if err := d.wantEnded(ctx, link.ID, way); err != nil {
		return err
	}
	if err := d.askOnce(ctx, notLinked()); err != nil {
		return fmt.Errorf("asking after the end: %w", err)
	}
	return nil
}

// wantEnded returns an error unless a link ended in a way.
func (d *demo) wantEnded(ctx context.Context, id string, way way) error {
	links, err := d.store.Links(ctx, bridge.LinkFilter{IDs: []string{id}})
	switch {
	case err != nil:
		return err
	case len(links) != 1 || links[0].RevokedAt.IsZero():
		return errors.New("the link has not ended")
	case links[0].Reason != way.reason || links[0].Actor != way.actor:
		return fmt.Errorf("the link ended as %s, by %s", links[0].Reason, links[0].Actor)
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

func (d *demo) deactivateOnce(ctx context.Context) error {
	return d.company.deactivate(ctx, d.people[0].Login)
}

// unlinkOnce ends all links of the person on the bridge's page of links, by a simulated phone.
func (d *demo) unlinkOnce(context.Context) error {
	phone := simulator.NewPhone()
	login, err := phone.Open(d.origins.Bridge + linksPath + "?provider=" + providerID)
	if err := arrivedAt(login, err, d.origins.Provider, "the company's sign-in"); err != nil {
		return err
	}
	links, err := phone.Submit(login, signIn(d.people[0]))
	if err := arrivedAt(links, err, d.origins.Bridge, "the page of links"); err != nil {
		return err
	}
	done, err := phone.Submit(links, url.Values{"decision": {"all"}})
	return arrivedAt(done, err, d.origins.Bridge, "the page of links")
}

// linkOnce links the account by a simulated phone.
func (d *demo) linkOnce(ctx context.Context, grant bridge.Grant) error {
	phone := simulator.NewPhone()
	phone.Destinations = d.alexa.destinations()
	login, err := phone.Open(d.alexa.enable(grant))
	if err := arrivedAt(login, err, d.origins.Provider, "the company's sign-in"); err != nil {
		return err
	}
	consent, err := phone.Submit(login, signIn(d.people[0]))
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
	return d.alexa.sendLinked(ctx)
}

// signIn returns the form of the company's sign-in.
func signIn(as upstreamtest.Person) url.Values {
	return url.Values{"login": {as.Login}, "password": {as.Password}, "action": {"sign-in"}}
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
