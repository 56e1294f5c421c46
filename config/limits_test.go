package config_test

import (
	"slices"
	"testing"

	"alexa-oidc-bridge/config"
)

func TestLimits(t *testing.T) {
	const limits = "public_url: https://link.example.com\nlimits: "
	tests := []struct {
		text string
		want config.Limits
	}{
		{"{}", config.Limits{Connections: 4096}},
		{"{memory: auto}", config.Limits{Connections: 4096}},
		{"{memory: 400MiB}", config.Limits{Connections: 4096, Memory: 400 << 20}},
		{"{connections: 0, memory: 1GiB}", config.Limits{Memory: 1 << 30}},
		{"{connections: 16, memory: 65MiB}", config.Limits{Connections: 16, Memory: 65 << 20}},
	}
	for _, tt := range tests {
		loaded, _ := load(t, replaced(t, "public_url: https://link.example.com", limits+tt.text))
		if loaded.Limits != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.text, loaded.Limits, tt.want)
		}
	}
	loaded, _ := load(t, good)
	if want := tests[0].want; loaded.Limits != want {
		t.Errorf("without limits: %+v, want %+v", loaded.Limits, want)
	}
	for text, want := range map[string]string{
		"{connections: 15}": "3:23: limits.connections: out of range: 15",
		"{connections: -1}": "3:23: limits.connections: out of range: -1",
		"{memory: 63MiB}":   `3:18: limits.memory: not a size, or out of range: "63MiB"`,
		"{memory: much}":    `3:18: limits.memory: not a size, or out of range: "much"`,
		"{memory: 64MiB}":   `3:18: limits.memory: not above lookup.memory, which is a part of it: "64MiB"`,
	} {
		got := problemsOf(t, replaced(t, "public_url: https://link.example.com", limits+text))
		if !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
