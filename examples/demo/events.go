package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/lookup"
)

// sendLinked sends the event by which Alexa tells that the account is linked, if it is.
func (a *fakeAlexa) sendLinked(ctx context.Context) error {
	now := a.snapshot()
	if now.Token == "" {
		return nil
	}
	event, err := simulator.AccountLinked(alexaSkillID, now.UserID, now.Token, time.Now())
	if err != nil {
		return err
	}
	return a.sendEvent(ctx, event)
}

// disableSkill disables the skill, and sends the event by which Alexa tells of it.
func (a *fakeAlexa) disableSkill(ctx context.Context) error {
	was := a.disable("Disable the skill")
	if was.UserID == "" {
		return nil
	}
	event, err := simulator.SkillDisabled(alexaSkillID, was.UserID, time.Now())
	if err != nil {
		return err
	}
	return a.sendEvent(ctx, event)
}

// sendEvent sends a signed event to the bridge. The real Alexa would send one that is not accepted again.
func (a *fakeAlexa) sendEvent(ctx context.Context, event []byte) error {
	bridge := simulator.Skill{
		Endpoint: a.origins.Bridge + eventsPath, ID: alexaSkillID, Signer: a.signer, Client: a.client,
	}
	if err := bridge.SendEvent(ctx, event); err != nil {
		return fmt.Errorf("the bridge did not accept Alexa’s event: %w", withoutURL(err))
	}
	return nil
}

// errNoLink is the error for what needs a live link.
var errNoLink = errors.New("there is no link; link first")

// disableUnnoticed disables the skill as if no event came of it. The skill's backend finds out when it sends something
// to Alexa by itself, and tells the bridge.
func (d *demo) disableUnnoticed(ctx context.Context) error {
	link, err := d.lastLink(ctx)
	if err != nil {
		return err
	}
	if link == nil || !link.Live {
		return errNoLink
	}
	d.alexa.disable(titleGateway)
	d.transcript.add(gatewayStep())
	return d.backend.ReportDisabled(ctx, link.ID)
}

// newBackend returns the client by which the skill's backend talks to the bridge.
func newBackend(at origins, secret string) *lookup.Client {
	return &lookup.Client{Endpoint: at.Bridge + "/lookup", ID: backendID, Secret: secret}
}
