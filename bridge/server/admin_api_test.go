package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/transfer"
)

// Secrets of admin tokens, by what they may do.
const (
	hrSecret       = "Jq7Zt2Vw9Xc4Bn6Mk1Lp8Rs3Hd5Gf0Ya" // all
	auditorSecret  = "w3E5r7T9y1U2i4O6p8A0s9D7f5G3h1Jk" // read
	revokerSecret  = "Zx9Cv8Bn7Mq6We5Rt4Yu3Io2Pa1Sd0Fg" // revoke
	anotherSecret  = "b0X9c8V7n6M5q4W3e2R1t0Y9u8I7o6Pa" // not one of them
	leftTheCompany = "left the company"
)

// withAdminTokens turns the admin API on.
func withAdminTokens(b *testBridge) {
	b.KeepSecret(hrSecret, auditorSecret, revokerSecret, anotherSecret)
	token := func(name, secret string, may ...bridge.AdminRight) bridge.AdminToken {
		return bridge.AdminToken{Name: name, Secrets: []bridge.Secret{bridge.NewSecret(secret)}, May: may}
	}
	b.Config.AdminTokens = []bridge.AdminToken{token("hr", hrSecret, bridge.AdminRights()...),
		token("auditor", auditorSecret, bridge.AdminRead), token("revoker", revokerSecret, bridge.AdminRevoke)}
}

// apiDocument is the description of the admin API, with what of it was seen.
type apiDocument struct {
	*openapi3.T
	router routers.Router
	seen   map[string]bool // operation and status
}

// readAPIDocument reads the description from the API itself.
func readAPIDocument(t *testing.T) *apiDocument {
	t.Helper()
	a := startAdmin(t, nil)
	_, text := a.send("GET", "/api/openapi.json", "")
	parsed, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := parsed.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(parsed)
	if err != nil {
		t.Fatal(err)
	}
	return &apiDocument{parsed, router, map[string]bool{}}
}

// wantAllSeen checks that every status of every operation was seen.
func (d *apiDocument) wantAllSeen(t *testing.T) {
	t.Helper()
	for path, item := range d.Paths.Map() {
		for method, operation := range item.Operations() {
			for status := range operation.Responses.Map() {
				if key := method + " " + path + " " + status; status != "default" && !d.seen[key] {
					t.Errorf("no test has seen %s", key)
				}
			}
		}
	}
}

// adminAPI is the admin listener of a bridge. Requests have the token "hr", unless they are changed.
type adminAPI struct {
	*testBridge
	document *apiDocument // nil: nothing is compared with it
	origin   string
}

// startAdmin starts a bridge with its admin listener.
func startAdmin(t *testing.T, document *apiDocument, changes ...func(*testBridge)) *adminAPI {
	t.Helper()
	return listenAdmin(startBridge(t, append([]func(*testBridge){withAdminTokens}, changes...)...), document)
}

// listenAdmin starts the admin listener of a bridge.
func listenAdmin(b *testBridge, document *apiDocument) *adminAPI {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.Server.Admin.ServeHTTP(w, r)
	}))
	b.Cleanup(web.Close)
	return &adminAPI{b, document, web.URL}
}

// send sends a request, compares it and its response with the document, and returns the response with its body.
func (a *adminAPI) send(method, target, body string, changes ...func(*http.Request)) (*http.Response, string) {
	a.Helper()
	create := func() *http.Request {
		request, err := http.NewRequestWithContext(a.Context(), method, a.origin+target, strings.NewReader(body))
		if err != nil {
			a.Fatal(err)
		}
		if body != "" {
			request.Header.Set("Content-Type", "application/json")
		}
		bearer(hrSecret)(request)
		for _, change := range changes {
			change(request)
		}
		return request
	}
	response, text := a.Do(create())
	unescaped := func(r rune) bool { return r < ' ' && r != '\n' || r > '~' }
	isJSON := response.Header.Get("Content-Type") == "application/json"
	if isJSON && strings.ContainsFunc(text, unescaped) {
		a.Errorf("%s %s: the response is not printable ASCII: %q", method, target, text)
	}
	if a.document != nil {
		a.compare(create(), response, text)
	}
	return response, text
}

// compare compares a request and its response with the document. A request that the document does not permit must be
// rejected.
func (a *adminAPI) compare(request *http.Request, response *http.Response, text string) {
	a.Helper()
	route, parameters, err := a.document.router.FindRoute(request)
	if err != nil {
		if response.StatusCode < 400 {
			a.Errorf("%s %s is not in the document: %v", request.Method, request.URL, err)
		}
		return
	}
	asked := &openapi3filter.RequestValidationInput{Request: request, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{IncludeResponseStatus: true,
			RejectWhenRequestBodyNotSpecified: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}}
	if err := openapi3filter.ValidateRequest(a.Context(), asked); err != nil && response.StatusCode < 400 {
		a.Errorf("%s %s: status %d, and the document does not permit it: %v", request.Method, request.URL,
			response.StatusCode, err)
	}
	fault := response.StatusCode == http.StatusInternalServerError
	if !fault && route.Operation.Responses.Status(response.StatusCode) == nil &&
		response.StatusCode != http.StatusMethodNotAllowed {
		a.Errorf("%s %s: status %d is not in the document", request.Method, request.URL, response.StatusCode)
	}
	answered := &openapi3filter.ResponseValidationInput{RequestValidationInput: asked, Status: response.StatusCode,
		Header: response.Header, Options: asked.Options}
	if err := openapi3filter.ValidateResponse(a.Context(), answered.SetBodyBytes([]byte(text))); err != nil {
		a.Errorf("%s %s: the document does not permit the response %s: %v", request.Method, request.URL, text, err)
	}
	a.document.seen[route.Method+" "+route.Path+" "+strconv.Itoa(response.StatusCode)] = true
}

// want sends a request, checks the status, and returns the JSON of the response.
func (a *adminAPI) want(status int, method, target, body string, changes ...func(*http.Request)) map[string]any {
	a.Helper()
	response, text := a.send(method, target, body, changes...)
	if response.StatusCode != status || response.Header.Get("Cache-Control") != "no-store" {
		a.Fatalf("%s %s %s: status %d, %v, want %d and no-store: %s", method, target, body, response.StatusCode,
			response.Header, status, text)
	}
	var object map[string]any
	if text != "" {
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			a.Fatalf("%s: %v", text, err)
		}
	}
	return object
}

// wantError sends a request and checks the status, the code and a part of the description of the error.
func (a *adminAPI) wantError(status int, code, description, method, target, body string,
	changes ...func(*http.Request)) {
	a.Helper()
	object := a.want(status, method, target, body, changes...)
	if got, _ := object["error_description"].(string); object["error"] != code || !strings.Contains(got, description) {
		a.Errorf("%s %s %s: %v, want %s with %q", method, target, body, object, code, description)
	}
}

// bearer authenticates a request.
func bearer(secret string) func(*http.Request) { return header("Authorization", "Bearer "+secret) }

// pages reads all pages of a list, and returns a member of each of its entries.
func (a *adminAPI) pages(path, list, member string, query url.Values) (found []string, pages int) {
	a.Helper()
	for {
		page := a.want(200, "GET", path+"?"+query.Encode(), "")
		pages++
		for _, entry := range page[list].([]any) {
			found = append(found, fmt.Sprint(entry.(map[string]any)[member]))
		}
		cursor, more := page["next_cursor"].(string)
		if !more {
			return found, pages
		}
		query.Set("cursor", cursor)
	}
}

// importLinks adds links with numbered ids, one a second.
func (a *adminAPI) importLinks(n int) {
	a.Helper()
	var rows iter.Seq2[transfer.Row, error] = func(yield func(transfer.Row, error) bool) {
		for i := range n {
			link := &transfer.Link{ID: fmt.Sprintf("lnk_%06d", i), ClientID: "pizza", Grant: bridge.GrantImplicit,
				Provider: "corp", Issuer: a.Config.Providers[0].Issuer, SubjectClaim: "sub", Subject: "many",
				CreatedAt: a.Clock.Now().Unix() - int64(n-i)}
			if !yield(transfer.Row{Link: link}, nil) {
				return
			}
		}
	}
	if _, err := a.Store.Import(a.Context(), rows, a.Clock.Now); err != nil {
		a.Fatal(err)
	}
}

// liveIDs returns the ids of the live links, sorted.
func (a *adminAPI) liveIDs() []string {
	a.Helper()
	var ids []string
	for _, link := range a.Links() {
		if !link.Revoked() {
			ids = append(ids, link.ID)
		}
	}
	return slices.Sorted(slices.Values(ids))
}

func (s *hookedStore) Links(ctx context.Context, filter bridge.LinkFilter) ([]bridge.Link, error) {
	if err := s.call(ctx, "Links"); err != nil {
		return nil, err
	}
	return s.Store.Links(ctx, filter)
}

func (s *hookedStore) Forget(ctx context.Context, filter bridge.LinkFilter,
	by bridge.Revocation) ([]bridge.Link, error) {
	if err := s.call(ctx, "Forget"); err != nil {
		return nil, err
	}
	return s.Store.Forget(ctx, filter, by)
}

func (s *hookedStore) Audit(ctx context.Context, filter bridge.AuditFilter) ([]bridge.AuditRecord, error) {
	if err := s.call(ctx, "Audit"); err != nil {
		return nil, err
	}
	return s.Store.Audit(ctx, filter)
}
