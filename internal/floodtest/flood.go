//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
)

// flood is a request that one client sends again and again.
type flood struct {
	name    string
	request string // as HTTP/1.1 writes it
}

// floods returns a flood for every public route, with what costs most there and needs no secret.
func (b *testedBridge) floods() []flood {
	token := bridge.NewRandomToken(bridge.AccessTokenKind)
	request := b.request()
	authorize, _ := url.Parse(request.URL())
	post := func(path string, form url.Values, headers ...string) flood {
		headers = append(headers, "Content-Type: application/x-www-form-urlencoded")
		return newFlood("POST", path, form.Encode(), headers...)
	}
	get := func(path string, headers ...string) flood { return newFlood("GET", path, "", headers...) }
	signature := base64.StdEncoding.EncodeToString(make([]byte, 256))
	const wrongSecret = "Authorization: Basic cGl6emE6Z3Vlc3M=" // pizza:guess
	return []flood{
		get(authorize.RequestURI()),
		get("/callback/corp?state=invented&code=x"),
		post("/consent", url.Values{"decision": {"link"}}),
		get("/try/" + strings.Repeat("A", 52)),
		get("/links"),
		post("/links/unlink", url.Values{"decision": {"all"}}),
		post("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}, wrongSecret),
		post("/lookup", url.Values{"token": {token}}, wrongSecret),
		get("/userinfo", "Authorization: Bearer "+token),
		post("/revoke", url.Values{"token": {token}, "client_id": {"lights"}}),
		post("/backchannel-logout/corp", url.Values{"logout_token": {b.inventedJWT("logout+jwt")}}),
		newFlood("POST", "/global-token-revocation/corp", `{"sub_id":{"format":"email","email":"ada@contoso.example"}}`,
			"Content-Type: application/json", "Authorization: Bearer "+b.inventedJWT("global-token-revocation+jwt")),
		get("/scim/corp/v2/Users", "Authorization: Bearer guess"),
		newFlood("POST", "/alexa/events", inventedEvent(),
			"SignatureCertChainUrl: https://s3.amazonaws.com/echo.api/invented.pem", "Signature-256: "+signature),
		post("/alexa/disabled", url.Values{"token": {token}}, wrongSecret),
		get("/.well-known/oauth-authorization-server"),
		get("/"),
		get("/nothing"),
		get("/lookup"),
	}
}

// inventedEvent returns an event as Alexa sends it, so that only its signature says that it is none.
func inventedEvent() string {
	return fmt.Sprintf(`{"context":{"System":{"application":{"applicationId":%q},`+
		`"user":{"userId":"amzn1.ask.account.1"}}},"request":{"type":%q,"requestId":"1","timestamp":%q}}`,
		skillID, alexa.SkillDisabled, time.Now().UTC().Format(time.RFC3339))
}

// inventedJWT returns a JWT of the provider but for its key, so that the bridge asks the provider for it.
func (b *testedBridge) inventedJWT(kind string) string {
	now := time.Now().Unix()
	header := fmt.Sprintf(`{"alg":"RS256","kid":"invented","typ":%q}`, kind)
	claims := fmt.Sprintf(`{"iss":%q,"aud":"bridge","sub":"a2b4c6","jti":"1","iat":%d,"exp":%d,`+
		`"events":{"http://schemas.openid.net/event/backchannel-logout":{}}}`, b.provider.Issuer(), now, now+3600)
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(header)) + "." + part([]byte(claims)) + "." + part(make([]byte, 256))
}

func newFlood(method, target, body string, headers ...string) flood {
	path, _, _ := strings.Cut(target, "?")
	path = strings.TrimRight(path, "A") // of the ticket
	lines := append([]string{method + " " + target + " HTTP/1.1"}, headers...)
	lines = append(lines, "Host: bridge", "X-Forwarded-For: "+stranger, fmt.Sprint("Content-Length: ", len(body)))
	return flood{method + " " + path, strings.Join(lines, "\r\n") + "\r\n\r\n" + body}
}

// start sends the request on each of the sockets as soon as the response to the last one has come. It returns a second
// after all are connected: how long that takes is not measured.
func (f *flood) start(address string, sockets int) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group, connected sync.WaitGroup
	connected.Add(sockets)
	for range sockets {
		first := sync.OnceFunc(connected.Done)
		group.Go(func() {
			defer first()
			for ctx.Err() == nil {
				f.sendOn(ctx, address, first)
			}
		})
	}
	connected.Wait()
	time.Sleep(time.Second)
	return func() {
		cancel()
		group.Wait()
	}
}

// sendOn sends the request again and again on one connection.
func (f *flood) sendOn(ctx context.Context, address string, connected func()) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	connected()
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	reader := bufio.NewReaderSize(conn, 1<<10)
	for {
		if _, err := io.WriteString(conn, f.request); err != nil || !readResponse(reader) {
			return
		}
	}
}

// medianLookup looks a live token up 50 times a second, however long the responses take, and returns the median time.
func (b *testedBridge) medianLookup(ctx context.Context, lasts time.Duration) (time.Duration, error) {
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	defer client.CloseIdleConnections()
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		times []time.Duration
		errs  error
	)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(lasts); time.Now().Before(end) && ctx.Err() == nil; <-ticker.C {
		group.Go(func() {
			began := time.Now()
			err := b.lookup(client)
			took := time.Since(began)
			mu.Lock()
			defer mu.Unlock()
			times, errs = append(times, took), errors.Join(errs, err)
		})
	}
	group.Wait()
	slices.Sort(times)
	return times[len(times)/2], errors.Join(errs, ctx.Err())
}

// lookup fails if the token is not active.
func (b *testedBridge) lookup(client *http.Client) error {
	form := strings.NewReader(url.Values{"token": {b.token}}.Encode())
	request, err := http.NewRequest(http.MethodPost, b.origin()+"/lookup", form)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth("backend", b.secret)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && !strings.Contains(string(body), `"active":true`) {
		err = fmt.Errorf("lookup: status %d: %s", response.StatusCode, body)
	}
	return err
}

const (
	hungUp       = "hung-up callbacks"
	inventedCode = "invented"
)

// measureHungUp links a skill while one client hung up 300 callbacks with invented codes, and another keeps 64 more
// waiting, at a provider that takes 2 s to refuse a code.
func (b *testedBridge) measureHungUp(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	for range 300 {
		request, err := b.callback(ctx, strangerHangsUp)
		if err != nil {
			return err
		}
		brief, hangUp := context.WithTimeout(ctx, 50*time.Millisecond)
		defer hangUp()
		group.Go(func() { roundTrip(request.WithContext(brief), strangerHangsUp) })
	}
	for range 64 {
		group.Go(func() {
			for ctx.Err() == nil {
				if request, err := b.callback(ctx, strangerWaits); err == nil {
					roundTrip(request, strangerWaits)
				}
			}
		})
	}
	var slowest time.Duration
	for range 5 {
		took, err := b.link()
		if err != nil {
			return fmt.Errorf("%s: %w", hungUp, err)
		}
		slowest = max(slowest, took)
	}
	fmt.Printf("\nWhile 300 callbacks hung up and 64 waited at a provider that takes 2 s to refuse: "+
		"slowest of 5 links %d ms.\n", slowest.Milliseconds())
	return nil
}

func roundTrip(request *http.Request, from clientAt) {
	if response, err := from.RoundTrip(request); err == nil {
		response.Body.Close()
	}
}

// callback returns a request of the provider's redirect with an invented code, in the browser that began the flow.
func (b *testedBridge) callback(ctx context.Context, from clientAt) (*http.Request, error) {
	browser := simulator.NewPhone().Client
	browser.Transport = from
	request := b.request()
	response, err := browser.Get(request.URL())
	if err != nil {
		return nil, err
	}
	response.Body.Close()
	provider, err := response.Location()
	if err != nil {
		return nil, err
	}
	query := url.Values{"state": provider.Query()["state"], "code": {inventedCode}}
	callback, err := http.NewRequestWithContext(ctx, http.MethodGet, b.origin()+"/callback/corp?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	for _, cookie := range browser.Jar.Cookies(callback.URL) {
		callback.AddCookie(cookie)
	}
	return callback, nil
}
