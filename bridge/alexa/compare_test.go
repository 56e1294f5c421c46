package alexa_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/alexa"
)

// settings returns the settings of a skill as SMAPI returns them, after a change.
func settings(t *testing.T, skill alexa.Skill, change func(map[string]any)) string {
	t.Helper()
	text, err := json.Marshal(skill.AccountLinking())
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	change(fields)
	if text, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func compare(t *testing.T, skill alexa.Skill, text string) alexa.Comparison {
	t.Helper()
	isSecret := func(secret string) bool { return secret == "right" }
	compared, err := skill.AccountLinking().Compare([]byte(text), isSecret)
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return compared
}

func TestCompare(t *testing.T) {
	set := func(name string, value any) func(map[string]any) {
		return func(fields map[string]any) { fields[name] = value }
	}
	tests := []struct {
		skill  alexa.Skill
		change func(map[string]any)
		want   string // the fields that differ; those that do not matter in brackets
	}{
		{codeSkill(), func(map[string]any) {}, ""},
		{implicitSkill(), func(map[string]any) {}, ""},
		{codeSkill(), set("type", "IMPLICIT"), "type"},
		{codeSkill(), set("authorizationUrl", publicURL+"/authorize/"), "authorizationUrl"},
		{codeSkill(), set("authorizationUrl", []string{publicURL + "/authorize", "x"}), "authorizationUrl"},
		{codeSkill(), set("authorizationUrl", map[string]any{}), "authorizationUrl"},
		{codeSkill(), set("accessTokenUrl", nil), "accessTokenUrl"},
		{codeSkill(), set("accessTokenScheme", "REQUEST_BODY_CREDENTIALS"), "(accessTokenScheme)"},
		{codeSkill(), set("clientId", "Pizza"), "clientId"},
		{codeSkill(), set("clientSecret", "right"), ""},
		{codeSkill(), set("clientSecret", "wrong"), "clientSecret"},
		{codeSkill(), set("scopes", []string{"menu", "orders"}), ""},
		{codeSkill(), set("scopes", []string{"menu"}), "scopes"},
		{codeSkill(), set("scopes", []string{"menu", "orders", "more"}), "scopes"},
		{codeSkill(), set("scopes", "orders"), "scopes"},
		{codeSkill(), set("domains", []string{"Login.example.com", "cdn.example.com", "link.example.com"}), ""},
		{codeSkill(), set("domains", []string{"link.example.com"}), "domains"},
		{codeSkill(), set("domains", []string{"https://login.example.com", "link.example.com"}), "domains"},
		{codeSkill(), set("defaultTokenExpirationInSeconds", 20), "(defaultTokenExpirationInSeconds)"},
		{codeSkill(), set("defaultTokenExpirationInSeconds", nil), ""},
		{implicitSkill(), set("accessTokenUrl", "https://old.example.com"), ""},
		{codeSkill(), set("skipOnEnablement", "true"), ""},
	}
	for _, tt := range tests {
		text := settings(t, tt.skill, tt.change)
		compared := compare(t, tt.skill, text)
		var got []string
		for _, field := range compared.Fields {
			switch {
			case field.Equal:
			case field.Note != "":
				got = append(got, "("+field.Name+")")
			default:
				got = append(got, field.Name)
			}
		}
		if strings.Join(got, " ") != tt.want || compared.Equal() != (tt.want == "") {
			t.Errorf("%s: %q differ, want %q", text, got, tt.want)
		}
	}
}

func TestCompareValues(t *testing.T) {
	text := settings(t, codeSkill(), func(fields map[string]any) {
		fields["clientId"], fields["scopes"] = "lights", []string{"x", "a"}
		fields["authorizationUrl"] = map[string]any{"x": "y"}
		fields["skipOnEnablement"], fields["redirectUrls"], fields["clientSecret"] = true, []string{}, "hidden"
	})
	compared := compare(t, codeSkill(), text)
	found := map[string]alexa.ComparedField{}
	for _, field := range compared.Fields {
		found[field.Name] = field
	}
	if got := found["clientId"]; got.Got != "lights" || got.Want != "pizza" {
		t.Errorf("%+v", got)
	}
	if got := found["authorizationUrl"]; got.Got != "of an unexpected type" || got.Equal {
		t.Errorf("%+v", got)
	}
	if got := found["scopes"]; got.Got != "a x" || got.Want != "menu orders" {
		t.Errorf("%+v", got)
	}
	if got := strings.Join(compared.NotCompared, " "); got != "redirectUrls skipOnEnablement" {
		t.Errorf("not compared: %s", got)
	}
	if got, err := json.Marshal(compared); err != nil || strings.Contains(string(got), "hidden") {
		t.Errorf("%v: the secret is in %s", err, got)
	}
}

func TestCompareWrapped(t *testing.T) {
	plain := settings(t, codeSkill(), func(map[string]any) {})
	for _, text := range []string{
		plain,
		`{"accountLinkingResponse":` + plain + `}`,
		`{"accountLinkingRequest":` + plain + "}\n",
		`{"statusCode":200,"headers":[],"body":{"accountLinkingResponse":` + plain + `}}`,
	} {
		if compared := compare(t, codeSkill(), text); !compared.Equal() || len(compared.NotCompared) > 0 {
			t.Errorf("%s: %+v", text, compared)
		}
	}
}

func TestCompareRejects(t *testing.T) {
	plain := settings(t, codeSkill(), func(map[string]any) {})
	for _, text := range []string{"", "no", "[]", "null", "{}", `"type"`, plain[1:], plain[:len(plain)-1], plain + plain,
		`{"accountLinkingResponse":{}}`, `{"message":"Unauthorized"}`} {
		_, err := codeSkill().AccountLinking().Compare([]byte(text), func(string) bool { return false })
		if !errors.Is(err, alexa.ErrNotAccountLinking) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
