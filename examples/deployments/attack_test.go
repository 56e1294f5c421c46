//go:build strict

package deployments_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/internal/testbridge"
)

// attack is one attempt to get a request past a proxy, or another one's response. What it sends is followed by a
// request of /last on the same connection. check reports what got through beyond what holds for all; nil: nothing more
// is to be checked.
type attack struct {
	class, name string
	send        func(p *proxy, from string) (statuses []int, err error)
	check       func(statuses []int) (got string)
}

// forwarded is a request that the bridge got.
type forwarded struct {
	target  string
	clients []string // X-Forwarded-For
	peer    string   // the connection of the proxy
	status  int
}

// witness notes what the bridge gets.
type witness struct {
	mu       sync.Mutex
	requests []*forwarded
}

func (w *witness) wrap(next http.Handler) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		target, clients := r.Method+" "+r.RequestURI, r.Header.Values("X-Forwarded-For")
		request := &forwarded{target: target, clients: clients, peer: r.RemoteAddr}
		w.mu.Lock()
		w.requests = append(w.requests, request)
		w.mu.Unlock()
		next.ServeHTTP(&statusRecorder{rw, func(status int) {
			w.mu.Lock()
			defer w.mu.Unlock()
			request.status = status
		}}, r)
	}
}

// since returns the requests from the nth on.
func (w *witness) since(n int) []forwarded {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []forwarded
	for _, request := range w.requests[n:] {
		list = append(list, *request)
	}
	return list
}

type statusRecorder struct {
	http.ResponseWriter
	note func(status int)
}

func (s *statusRecorder) WriteHeader(status int) {
	s.note(status)
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// victim is a client whose requests follow those of attacks on the same connections of the proxy.
type victim struct {
	*http.Client
	requests []func() *http.Request
	want     []string
}

const victimAddress = "127.0.0.3"

// newVictim returns a client with requests of three different responses. An odd number reaches each of two replicas.
func newVictim(t *testing.T, b *testbridge.Bridge, origin string) *victim {
	t.Helper()
	lookup := func(token string) func() *http.Request {
		return func() *http.Request {
			request := newRequest(t, http.MethodPost, origin+"/lookup", url.Values{"token": {token}})
			request.SetBasicAuth(testbridge.BackendID, testbridge.BackendSecret)
			return request
		}
	}
	token := link(t, b)
	v := &victim{Client: clientFrom(victimAddress), requests: []func() *http.Request{
		lookup(token), lookup("unknown"),
		func() *http.Request {
			request := newRequest(t, http.MethodGet, origin+"/userinfo", nil)
			request.Header.Set("Authorization", "Bearer "+token)
			return request
		},
	}}
	for _, request := range v.requests {
		v.want = append(v.want, v.ask(request()))
	}
	for i, word := range []string{`"active":true`, `{"active":false}`, `{"sub":`} {
		if !strings.Contains(v.want[i], word) {
			t.Fatalf("request %d: %s", i, v.want[i])
		}
	}
	return v
}

// ask returns status and body of a response.
func (v *victim) ask(request *http.Request) string {
	response, err := v.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return fmt.Sprint(response.StatusCode, " ", string(body), err)
}

// got reports a response that is not the victim's own.
func (v *victim) got() string {
	for i, request := range v.requests {
		if got := v.ask(request()); got != v.want[i] {
			return fmt.Sprintf("request %d of somebody else got %s, not %s", i, got, v.want[i])
		}
	}
	return ""
}

// TestProxyAttacks makes every attempt behind nginx and behind Caddy, as the documentation configures them. After each,
// somebody else's requests must get their own responses, and the bridge must have got no request but those that the
// proxy sent, all from the address that the proxy saw.
func TestProxyAttacks(t *testing.T) {
	attempts, through := map[string]int{}, map[string]int{}
	for _, name := range []string{"Caddy", "nginx"} {
		t.Run(name, func(t *testing.T) {
			witness, b := &witness{}, startBridge(t)
			handler := witness.wrap(b.Server.Public)
			var p *proxy
			if name == "Caddy" {
				p = startCaddy(t, "https", [2]http.HandlerFunc{handler, handler})
			} else {
				p = startNginx(t, handler)
			}
			v, shared := newVictim(t, b, p.origin), 0
			for i, a := range slices.Concat(http1Attacks(), http2Attacks()) {
				class := a.class + " behind " + name
				attempts[class]++
				got, again := attempt(p, v, witness, a, fmt.Sprintf("127.1.%d.%d", i/250, 1+i%250))
				if got != "" {
					through[class]++
					t.Errorf("%s, %s: got through: %s", a.class, a.name, got)
				}
				if again {
					shared++
				}
			}
			if total := len(http1Attacks()) + len(http2Attacks()); shared < total/3 {
				t.Errorf("after only %d of %d attacks a connection of the proxy was used again", shared, total)
			}
			if strings.Contains(b.Logs.String(), "internal error") {
				t.Errorf("an attack caused an internal error:\n%s", b.Logs)
			}
		})
	}
	printAttacks(attempts, through)
}

// startBridge starts a bridge that trusts the proxy's address only, and permits each client a few pages.
func startBridge(t *testing.T) *testbridge.Bridge {
	t.Helper()
	b := testbridge.Start(t, func(b *testbridge.Bridge) {
		b.Config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		b.Config.Limits = server.Limits{RequestsPerMinute: pagesPerMinute}
	})
	b.Clock.Hold()
	return b
}

// attempt makes an attack from an address of its own. It reports what got through, and whether a connection of the
// proxy that was used for the attack was used for the victim, too.
func attempt(p *proxy, v *victim, witness *witness, a attack, from string) (got string, shared bool) {
	before := len(witness.since(0))
	statuses, err := a.send(p, from)
	if err != nil {
		return err.Error(), false
	}
	if got = v.got(); got == "" && a.check != nil {
		got = a.check(statuses)
	}
	peers := map[string]bool{}
	for _, request := range witness.since(before) {
		client := strings.Join(request.clients, " and ")
		if client != victimAddress && !isAttacker(client) { // an earlier attacker's request may come late
			return fmt.Sprintf("the bridge got %.60q for the client %q", request.target, client), false
		}
		if request.status >= 500 {
			return fmt.Sprintf("status %d of the bridge", request.status), false
		}
		shared = shared || client == victimAddress && peers[request.peer]
		peers[request.peer] = peers[request.peer] || client == from
	}
	return got, shared
}

// isAttacker reports whether a text is an address that an attack comes from. None of them sends one of these itself.
func isAttacker(text string) bool {
	address, err := netip.ParseAddr(text)
	return err == nil && netip.MustParsePrefix("127.1.0.0/16").Contains(address)
}

// link makes a link of Ada with the skill pizza, and returns its access token.
func link(t *testing.T, b *testbridge.Bridge) string {
	t.Helper()
	token, handle := bridge.NewRandomToken(bridge.AccessTokenKind), bridge.HashOf("handle")
	b.KeepSecret(token)
	made := bridge.NewLink{Token: bridge.HashOf(token), Link: bridge.Link{
		ID: bridge.NewLinkID(), ClientID: "pizza", Grant: bridge.GrantImplicit, CreatedAt: b.Clock.Now(), Scope: "orders",
		Identity: bridge.Identity{Subject: testbridge.Ada().Subject,
			Provider: bridge.Provider{ID: "corp", Issuer: b.Provider.Issuer(), SubjectClaim: "sub"}},
	}}
	pending := bridge.PendingConsent{Handle: handle, ExpiresAt: b.Clock.Now().Add(time.Hour)}
	if err := b.Store.CreatePendingConsent(t.Context(), pending); err != nil {
		t.Fatal(err)
	}
	if err := b.Store.Link(t.Context(), handle, made); err != nil {
		t.Fatal(err)
	}
	return token
}

func newRequest(t *testing.T, method, target string, form url.Values) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return request
}

// clientFrom returns an HTTP/1.1 client with an address on the loopback interface.
func clientFrom(address string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialTLSContext: func(ctx context.Context, _, target string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(target)
			if err != nil {
				return nil, err
			}
			return dial(ctx, port, address, "http/1.1")
		},
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
	}}
}

// dial opens a TLS connection from an address, for one protocol.
func dial(ctx context.Context, port, from, protocol string) (net.Conn, error) {
	dialer := tls.Dialer{
		NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}},
		Config:    &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", NextProtos: []string{protocol}},
	}
	return dialer.DialContext(ctx, "tcp", "127.0.0.1:"+port)
}

func printAttacks(attempts, through map[string]int) {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer table.Flush()
	fmt.Fprintln(table, "CLASS\tATTEMPTS\tGOT THROUGH")
	var classes []string
	total := 0
	for class, n := range attempts {
		classes = append(classes, class)
		total += n
	}
	slices.Sort(classes)
	for _, class := range classes {
		fmt.Fprintf(table, "%s\t%d\t%d\n", class, attempts[class], through[class])
	}
	fmt.Fprintf(table, "all\t%d\t\n", total)
}
