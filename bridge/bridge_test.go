package bridge_test

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

func TestToken(t *testing.T) {
	token := bridge.NewToken(bridge.AccessTokenKind, [32]byte{0xff, 0xfe, 0xfd})
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{40,128}$`).MatchString(token) || !bridge.AccessTokenKind.WellFormed(token) {
		t.Errorf("token %s", token)
	}
	for _, bad := range []string{"", "aob_at_", token + "x", token[:len(token)-1], token[1:],
		strings.Replace(token, "_at_", "_rt_", 1),
		token[:len(token)-1] + "+", token[:len(token)-1] + "=", token[:len(token)-1] + "\n", token[:len(token)-2] + "é"} {
		if bridge.AccessTokenKind.WellFormed(bad) {
			t.Errorf("%q is taken for a token", bad)
		}
	}
	if hash := bridge.HashOf("abc"); hash != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("hash %s", hash)
	}
}

// What is kept of an Alexa user is another one for each skill, and stays the same in later versions.
func TestAlexaUserHash(t *testing.T) {
	hash := bridge.AlexaUserHash("pizza", "amzn1.ask.account.ADA")
	if hash != bridge.HashOf("pizza\x00amzn1.ask.account.ADA") || len(hash) != 64 {
		t.Errorf("hash %s", hash)
	}
}

func TestLinkCursor(t *testing.T) {
	link := bridge.Link{ID: "lnk_a b", CreatedAt: time.Unix(1_800_000_000, 0).UTC()}
	at, id, err := bridge.ParseLinkCursor(link.Cursor())
	if err != nil || id != link.ID || !at.Equal(link.CreatedAt) {
		t.Errorf("%v, %q, %v", at, id, err)
	}
	for _, cursor := range []string{"", "x", "lnk_a", link.Cursor() + "=", link.Cursor()[1:], "\n" + link.Cursor()} {
		if _, id, err := bridge.ParseLinkCursor(cursor); !errors.Is(err, bridge.ErrCursor) || id != "" {
			t.Errorf("%q: %q, %v", cursor, id, err)
		}
	}
}

// Links that were made before the claim of their e-mail address was stored are judged without it.
func TestLinkWithoutEmailClaim(t *testing.T) {
	skill := &bridge.Skill{ClientID: "pizza", Provider: "corp"}
	provider := bridge.Provider{ID: "corp", Issuer: "https://login.example.com", SubjectClaim: "sub", EmailClaim: "mail"}
	for emailClaim, want := range map[string]bridge.Reason{"": "", "mail": "", "email": bridge.ReasonOtherProvider} {
		link := bridge.Link{ClientID: "pizza", Identity: bridge.Identity{
			Provider: provider, Claims: bridge.Claims{bridge.ClaimEmail: "ada@contoso.com"},
		}}
		link.EmailClaim = emailClaim
		if got := skill.CheckLink(&link, provider); got != want {
			t.Errorf("%q: %q, want %q", emailClaim, got, want)
		}
	}
}

// Who is known by an e-mail address, by whatever name, must have it verified.
func TestSignInRules(t *testing.T) {
	skill := &bridge.Skill{}
	for _, test := range []struct {
		subject, email string
		verified       any
		want           bridge.Reason
	}{
		{"sub", "email", nil, ""}, {"email", "email", true, ""}, {"email", "email", "true", ""},
		{"email", "email", nil, bridge.ReasonEmailUnverified}, {"email", "email", "True", bridge.ReasonEmailUnverified},
		{"email", "mail", nil, bridge.ReasonEmailUnverified}, {"mail", "mail", nil, bridge.ReasonEmailUnverified},
	} {
		claims := bridge.Claims{bridge.ClaimEmailVerified: test.verified}
		provider := bridge.Provider{SubjectClaim: test.subject, EmailClaim: test.email}
		if got := bridge.FirstFailed(skill.SignInRules(provider, claims)).Reason; got != test.want {
			t.Errorf("%+v: %q", test, got)
		}
	}
	trusted := &bridge.Skill{Allow: bridge.Allow{EmailTrusted: true}}
	if rules := trusted.SignInRules(bridge.Provider{SubjectClaim: "email"}, nil); len(rules) != 0 {
		t.Errorf("email_trusted: %v", rules)
	}
}

func TestLinkID(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		id := bridge.NewLinkID()
		if !regexp.MustCompile(`^lnk_[a-z0-9]{26}$`).MatchString(id) || seen[id] {
			t.Fatalf("link id %s", id)
		}
		seen[id] = true
	}
}

func TestClaims(t *testing.T) {
	var claims bridge.Claims
	text := `{"text":"a","number":12345678901234567890,"yes":true,"list":["a",1,false,null,{"x":1},["y"]],` +
		`"object":{"a":"b"},"none":null}`
	if err := json.Unmarshal([]byte(text), &claims); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"text": {"a"}, "number": {"12345678901234567890"}, "yes": {"true"}, "list": {"a", "1", "false"},
		"object": nil, "none": nil, "missing": nil,
	} {
		if got := claims.Strings(name); !slices.Equal(got, want) {
			t.Errorf("Strings(%s) = %q, want %q", name, got, want)
		}
	}
	if claims.String("number") != "" || claims.String("text") != "a" {
		t.Error("String takes what is no text")
	}
	only := claims.Only([]string{"text", "none", "missing"})
	if want := (bridge.Claims{"text": "a"}); !reflect.DeepEqual(only, want) {
		t.Errorf("Only = %v", only)
	}
	again, err := json.Marshal(claims)
	if err != nil || !strings.Contains(string(again), "12345678901234567890") {
		t.Errorf("a long number lost digits: %s", again)
	}
}

func TestEmailVerified(t *testing.T) {
	allow := bridge.Allow{EmailDomains: []string{"contoso.com"}}
	for _, tt := range []struct {
		verified any
		want     bridge.Reason
	}{{true, ""}, {"true", ""}, {false, bridge.ReasonEmailUnverified}, {"false", bridge.ReasonEmailUnverified},
		{nil, bridge.ReasonEmailUnverified}, {1, bridge.ReasonEmailUnverified}, {"yes", bridge.ReasonEmailUnverified}} {
		claims := bridge.Claims{"email": "ada@contoso.com", "email_verified": tt.verified}
		if got := allow.Check(claims); got != tt.want {
			t.Errorf("email_verified %v: %q, want %q", tt.verified, got, tt.want)
		}
	}
}

func TestEmailForms(t *testing.T) {
	allow := bridge.Allow{EmailDomains: []string{"contoso.com"}, EmailTrusted: true}
	for email, want := range map[string]bridge.Reason{
		"ada@contoso.com": "", "ADA@CONTOSO.COM": "", "a.d+a@contoso.com": "",
		"@contoso.com": bridge.ReasonEmailDomain, "contoso.com": bridge.ReasonEmailDomain,
		"ada@": bridge.ReasonEmailDomain, `"ada@contoso.com"@evil.example`: bridge.ReasonEmailDomain,
		"ada@contoso.com ": bridge.ReasonEmailDomain, "ada@contoso.com\n": bridge.ReasonEmailDomain,
		"ada@contoso.com\x00": bridge.ReasonEmailDomain, "ada@contoso.com.evil.example": bridge.ReasonEmailDomain,
		"ada@evilcontoso.com": bridge.ReasonEmailDomain, "аda@contoso.com": bridge.ReasonEmailDomain, // a Cyrillic a
		"ada@contoso\u3002com": bridge.ReasonEmailDomain, "ada\uff20contoso.com": bridge.ReasonEmailDomain,
		"ada@\u212aontoso.com": bridge.ReasonEmailDomain,
	} {
		if got := allow.Check(bridge.Claims{"email": email}); got != want {
			t.Errorf("%q: %q, want %q", email, got, want)
		}
	}
	if got := allow.Check(bridge.Claims{"email": []any{"ada@contoso.com"}}); got != bridge.ReasonEmailMissing {
		t.Errorf("a list: %q", got)
	}
}

func TestKeptClaims(t *testing.T) {
	skill := bridge.Skill{
		Claims: []string{"name", "email"},
		Allow: bridge.Allow{EmailDomains: []string{"contoso.com"}, Groups: []string{"a"},
			Claims: []bridge.ClaimRule{{Name: "hd", AnyOf: []string{"x"}}}},
	}
	want := []string{"email", "email_verified", "groups", "hd", "name"}
	if got := skill.KeptClaims(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHasSecret(t *testing.T) {
	var nobody *bridge.Backend
	empty := &bridge.Backend{}
	some := &bridge.Backend{Secrets: []bridge.Secret{bridge.NewSecret("a"), bridge.NewSecret("b")}}
	for _, tt := range []struct {
		backend   *bridge.Backend
		presented string
		want      bool
	}{{nobody, "", false}, {nobody, "a", false}, {empty, "", false}, {some, "", false}, {some, "a", true},
		{some, "b", true}, {some, "c", false}} {
		if got := tt.backend.HasSecret(tt.presented); got != tt.want {
			t.Errorf("%+v, %q: %v", tt.backend, tt.presented, got)
		}
	}
}

// TestAccount verifies which names of a person are kept: an address that is not verified could be somebody else's.
func TestAccount(t *testing.T) {
	verified := bridge.Claims{"email": "Ada@Contoso.com", "email_verified": true, "upn": "Ada", "bad": "a\x00b"}
	unverified := bridge.Claims{"email": "Ada@Contoso.com"}
	scim := func(attribute, claim string) bridge.AccountPolicy {
		return bridge.AccountPolicy{SCIM: bridge.SCIM{Tokens: make([]bridge.Secret, 1), Attribute: attribute, Claim: claim}}
	}
	universal := bridge.AccountPolicy{UniversalLogout: true}
	trusted := bridge.AccountPolicy{UniversalLogout: true, EmailTrusted: true}
	for _, tt := range []struct {
		name   string
		policy bridge.AccountPolicy
		claims bridge.Claims
		want   bridge.Account
	}{
		{"no policy", bridge.AccountPolicy{}, verified, bridge.Account{}},
		{"universal logout", universal, verified, bridge.Account{Email: "ada@contoso.com"}},
		{"universal logout, not verified", universal, unverified, bridge.Account{}},
		{"universal logout, trusted", trusted, unverified, bridge.Account{Email: "ada@contoso.com"}},
		{"SCIM by subject", scim("externalId", "sub"), verified, bridge.Account{}},
		{"SCIM by subject without case", scim("userName", "sub"), verified, bridge.Account{Directory: "subject"}},
		{"SCIM by a claim", scim("externalId", "upn"), verified, bridge.Account{Directory: "Ada"}},
		{"SCIM by a claim without case", scim("userName", "upn"), verified, bridge.Account{Directory: "ada"}},
		{"SCIM by address", scim("userName", "email"), verified, bridge.Account{Directory: "ada@contoso.com"}},
		{"SCIM by address, not verified", scim("userName", "email"), unverified, bridge.Account{}},
		{"SCIM by what cannot be stored", scim("externalId", "bad"), verified, bridge.Account{}},
	} {
		tt.want.Subject, tt.want.Session = "sub", "sid"
		if got := tt.policy.Account(bridge.Identity{Subject: "Subject", Claims: tt.claims}, "sub", "sid"); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// TestReasonIsOwn verifies that every reason of the source is one of the bridge's own, but for that of an operator.
func TestReasonIsOwn(t *testing.T) {
	source, err := os.ReadFile("reason.go")
	if err != nil {
		t.Fatal(err)
	}
	reasons := regexp.MustCompile(`Reason = "(\w+)"`).FindAllStringSubmatch(string(source), -1)
	if len(reasons) < 30 {
		t.Fatalf("%d reasons in the source", len(reasons))
	}
	for _, match := range reasons {
		reason := bridge.Reason(match[1])
		if got, want := reason.IsOwn(), reason != bridge.ReasonOperator; got != want {
			t.Errorf("%s: %v, want %v", reason, got, want)
		}
	}
	if bridge.Reason("left the company").IsOwn() {
		t.Error("a text of an operator's is one")
	}
}
