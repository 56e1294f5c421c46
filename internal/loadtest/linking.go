package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/lookup"
	"alexa-oidc-bridge/bridge/simulator"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/upstreamtest"
)

// phonesAtOnce is how many people link at once.
const phonesAtOnce = 8

// vendorID stands in config.yaml.tmpl too.
const vendorID = "MLOADTEST0000"

// measureLinking plays whole linkings: Alexa's app opens /authorize, the person signs in at a provider and consents, and Alexa
// gets its token, by both grants in turn. Person, Alexa and provider are in this process.
func (s *setting) measureLinking(ctx context.Context) (err error) {
	defer s.endFrom(len(s.undo), &err)
	database, err := s.copyForWriting()
	if err != nil {
		return err
	}
	linking, err := s.startLinking(database)
	if err != nil {
		return err
	}
	var rounds []round
	for range s.options.rounds {
		err := s.appendRound(&rounds, "linking", func() (round, error) {
			return s.withCost(linking.bridge, func() (result, error) {
				return pace{Callers: phonesAtOnce, Duration: s.options.duration}.keep(ctx, func(_, i int) error { return linking.once(ctx, i) })
			})
		})
		if err != nil {
			return err
		}
	}
	s.add("linking, whole", rounds)
	return s.checkTokens(ctx, linking.bridge, len(linking.tokens), func(i int) string { return linking.tokens[i] }, isAda)
}

func isAda(_ int, r reply) bool {
	var told lookup.Answer
	err := json.Unmarshal(r.body, &told)
	return err == nil && told.Active && told.Subject == ada().Subject && told.Claims["email"] == ada().Email
}

func ada() upstreamtest.Person {
	return upstreamtest.Person{Subject: "248289761001", Login: "ada", Password: "lovelace", GivenName: "Ada", FamilyName: "Lovelace",
		Email: "ada@contoso.com", EmailVerified: true}
}

// linking is where people link.
type linking struct {
	bridge    *target
	transport *http.Transport
	secret    string

	mu     sync.Mutex
	tokens []string // that Alexa got
}

// startLinking starts a bridge and a provider, each of which must know the other's address beforehand.
func (s *setting) startLinking(database sqlstore.Options) (*linking, error) {
	addresses, err := freeAddresses(1)
	if err != nil {
		return nil, err
	}
	provider, err := upstreamtest.Start(upstreamtest.Config{
		Name: "Contoso", People: []upstreamtest.Person{ada()},
		Clients: []upstreamtest.Client{{ID: providerClientID, Secret: s.secrets.provider, RedirectURI: "http://" + addresses[0] + "/callback/" + providerID}},
	})
	if err != nil {
		return nil, err
	}
	s.later(provider.Close)
	bridge, err := s.startBridge(bridgeTask{database: database, issuer: provider.Issuer(), listen: addresses[0]})
	if err != nil {
		return nil, err
	}
	l := &linking{bridge: bridge, transport: &http.Transport{MaxIdleConnsPerHost: phonesAtOnce}, secret: s.secrets.skill}
	s.later(func() error { l.transport.CloseIdleConnections(); return nil })
	return l, nil
}

// once lets a person link with a phone that was never used.
func (l *linking) once(ctx context.Context, i int) error {
	asked := simulator.Request{
		AuthorizationURI: "http://" + l.bridge.address + "/authorize", ClientID: skillClientID, ResponseType: "token",
		State: simulator.NewState(), Scopes: []string{"orders"}, RedirectURI: alexa.RedirectURIs(vendorID)[1],
	}
	if i%2 == 1 {
		asked.ResponseType, asked.RedirectURI = "code", alexa.RedirectURIs(vendorID)[0]
	}
	answer, err := l.link(asked)
	if err != nil {
		return fmt.Errorf("linking: %w", err)
	}
	token := answer.Get("access_token")
	if asked.ResponseType == "code" {
		if token, err = l.redeem(ctx, answer.Get("code"), asked.RedirectURI); err != nil {
			return fmt.Errorf("code: %w", err)
		}
	}
	if answer.Get("state") != asked.State || token == "" {
		return errors.New("linking: Alexa did not get its state and a token")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tokens = append(l.tokens, token)
	return nil
}

// link is the person's part.
func (l *linking) link(asked simulator.Request) (url.Values, error) {
	phone := simulator.NewPhone()
	phone.Client.Transport = l.transport
	page, err := phone.Open(asked.URL())
	for _, fill := range []url.Values{
		{"login": {ada().Login}, "password": {ada().Password}, "action": {"sign-in"}},
		{"decision": {"link"}},
	} {
		if err != nil {
			return nil, err
		}
		page, err = phone.Submit(page, fill)
	}
	if err != nil {
		return nil, err
	}
	if !page.Arrived {
		return nil, fmt.Errorf("it ended at %s with status %d, and not at Alexa", page.URL.Path, page.Status)
	}
	return asked.Answer(page.URL)
}

// redeem exchanges a code, as Alexa does.
func (l *linking) redeem(ctx context.Context, code, redirectURI string) (token string, err error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+l.bridge.address+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(skillClientID, l.secret)
	response, err := l.transport.RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var given struct {
		Access string `json:"access_token"`
	}
	err = json.NewDecoder(response.Body).Decode(&given)
	return given.Access, err
}
