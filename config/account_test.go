package config_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

// withAccountKeys returns the valid configuration with keys of the provider, one in each line from line 10 on.
func withAccountKeys(t *testing.T, keys ...string) string {
	t.Helper()
	const id = "client_id: alexa-bridge\n"
	text := id
	for _, key := range keys {
		text += "    " + key + "\n"
	}
	return replaced(t, id, text)
}

func TestAccountPolicy(t *testing.T) {
	hour := bridge.AccountPolicy{Offline: true, RecheckAfter: time.Hour}
	with := func(change func(*bridge.AccountPolicy)) bridge.AccountPolicy {
		policy := hour
		change(&policy)
		return policy
	}
	tests := []struct {
		name string
		keys []string
		want bridge.AccountPolicy
	}{
		{"nothing", nil, bridge.AccountPolicy{}},
		{"not offline", []string{"offline: false", "recheck_limit: 0s"}, bridge.AccountPolicy{}},
		{"the defaults", []string{"offline: true"}, hour},
		{"the defaults, written out",
			[]string{"offline: true", "recheck_after: 1h", "recheck_limit: 0s", "on_refresh_dead: revoke"}, hour},
		{"the least", []string{"offline: true", "recheck_after: 1s", "recheck_limit: 2s", "on_refresh_dead: 1s"},
			bridge.AccountPolicy{Offline: true, RecheckAfter: time.Second, RecheckLimit: 2 * time.Second,
				DeadGrace: time.Second}},
		{"the most", []string{"offline: true", "recheck_after: 720h", "on_refresh_dead: 8640h"},
			bridge.AccountPolicy{Offline: true, RecheckAfter: 720 * time.Hour, DeadGrace: 8640 * time.Hour}},
		{"a limit", []string{"offline: true", "recheck_limit: 2h"},
			with(func(p *bridge.AccountPolicy) { p.RecheckLimit = 2 * time.Hour })},
		{"a grace", []string{"offline: true", "on_refresh_dead: 72h"},
			with(func(p *bridge.AccountPolicy) { p.DeadGrace = 72 * time.Hour })},
		{"trusted addresses", []string{"offline: true", "email_trusted: true"},
			with(func(p *bridge.AccountPolicy) { p.EmailTrusted = true })},
	}
	for _, tt := range tests {
		tt.want.OnLogout = bridge.LogoutRechecks
		loaded, warnings := load(t, withAccountKeys(t, tt.keys...))
		if got := loaded.Server.Accounts["corp"]; !reflect.DeepEqual(got, tt.want) || len(loaded.Server.Accounts) != 1 {
			t.Errorf("%s: %+v, want %+v", tt.name, loaded.Server.Accounts, tt.want)
		}
		if len(warnings) != 0 {
			t.Errorf("%s: warnings %v", tt.name, warnings)
		}
	}
}

func TestAccountPolicyProblems(t *testing.T) {
	const needless = "set, though offline is not true"
	const dead = "11:22: providers[0].on_refresh_dead: neither revoke nor a duration: "
	tests := []struct {
		keys []string
		want []string
	}{
		{[]string{"recheck_after: 1h", "recheck_limit: 2h", "on_refresh_dead: revoke"}, []string{
			`10:20: providers[0].recheck_after: ` + needless + `: "1h"`,
			`11:20: providers[0].recheck_limit: ` + needless + `: "2h"`,
			`12:22: providers[0].on_refresh_dead: ` + needless + `: "revoke"`,
		}},
		{[]string{"offline: false", "recheck_after: 0s"},
			[]string{`11:20: providers[0].recheck_after: ` + needless + `: "0s"`}},
		{[]string{"offline: maybe"}, []string{`10:14: providers[0].offline: not true or false: "maybe"`}},
		{[]string{"offline: true", "recheck_after: 0s"}, []string{`11:20: providers[0].recheck_after: out of range: "0s"`}},
		{[]string{"offline: true", "recheck_after: -1h"}, []string{`11:20: providers[0].recheck_after: out of range: "-1h"`}},
		{[]string{"offline: true", "recheck_after: 1500ms"},
			[]string{`11:20: providers[0].recheck_after: out of range: "1500ms"`}},
		{[]string{"offline: true", "recheck_after: 720h1s"},
			[]string{`11:20: providers[0].recheck_after: out of range: "720h1s"`}},
		{[]string{"offline: true", "recheck_limit: 1h59m59s"},
			[]string{`11:20: providers[0].recheck_limit: out of range: "1h59m59s"`}},
		{[]string{"offline: true", "recheck_limit: -1s"}, []string{`11:20: providers[0].recheck_limit: out of range: "-1s"`}},
		{[]string{"offline: true", "recheck_limit: 2h0m0.5s"},
			[]string{`11:20: providers[0].recheck_limit: out of range: "2h0m0.5s"`}},
		{[]string{"offline: true", "recheck_limit: 5h", "recheck_after: 3h"},
			[]string{`11:20: providers[0].recheck_limit: out of range: "5h"`}},
		{[]string{"offline: true", "on_refresh_dead: keep"}, []string{dead + `"keep"`}},
		{[]string{"offline: true", "on_refresh_dead: 0s"}, []string{dead + `"0s"`}},
		{[]string{"offline: true", "on_refresh_dead: -1h"}, []string{dead + `"-1h"`}},
		{[]string{"offline: true", "on_refresh_dead: 1500ms"}, []string{dead + `"1500ms"`}},
		{[]string{"offline: true", "on_refresh_dead: 8640h1s"}, []string{dead + `"8640h1s"`}},
	}
	for _, tt := range tests {
		if got := problemsOf(t, withAccountKeys(t, tt.keys...)); !slices.Equal(got, tt.want) {
			t.Errorf("%q: problems:\n%s\nwant:\n%s", tt.keys, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}
